"""The small process around every confined command; imports only what it needs, to start quickly."""
