"""Checks of kind `rubric`: criteria that a model judges; read in templates, not performed yet."""

from conductor_app.domain.workflow import RubricCheck
from workers.bench import Bench
from workers.checks.result import Outcome
from workers.means import MeansAbsent


def rubric(check: RubricCheck, bench: Bench) -> Outcome:
    raise MeansAbsent("rubric checks need a model connector and arrive later")
