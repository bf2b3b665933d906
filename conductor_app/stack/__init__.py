"""The embedded stack: everything that Conductor needs, running on this machine."""
