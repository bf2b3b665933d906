"""Keeps time: the tick and what else happens on a schedule."""
