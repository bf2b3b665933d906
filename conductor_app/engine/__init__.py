"""Use cases, one a file: load, decide, save, record the event, send after the commit."""
