"""Checks of kind `rubric`: criteria by which a model reviews what was changed."""

from conductor_app.domain.workflow import RubricCheck
from workers.bench import Bench
from workers.checks.result import Outcome
from workers.means import MeansAbsent


def rubric(check: RubricCheck, bench: Bench) -> Outcome:
    """Raises AttemptFailed where no verdict is to be had: that says nothing about the commit."""
    if bench.reviewer is None:
        raise MeansAbsent("nobody is here who could review it")
    return bench.reviewer(check, bench)
