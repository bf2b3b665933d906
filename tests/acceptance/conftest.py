"""The fixtures of the acceptance tests that more than one file needs."""

from tests.trials import a_trial

__all__ = ["a_trial"]
