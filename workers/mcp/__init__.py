"""Tools of MCP servers: programs that the worker starts in the sandbox, one set an attempt."""
