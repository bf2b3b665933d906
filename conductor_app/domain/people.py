"""Who decides: what is kept with a decision of a person."""

# People have no names here yet: whoever holds the API's token may decide.
BY = "the API's token"
