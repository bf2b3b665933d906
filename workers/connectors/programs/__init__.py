"""Coding-agent programs: how each is started, and how what it prints is understood."""
