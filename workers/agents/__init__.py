"""Agents: the class to extend, the one driven by a connector, and how the right one is found."""
