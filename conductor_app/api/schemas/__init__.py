"""What requests may hold and what answers look like, as models; OpenAPI is made from them."""
