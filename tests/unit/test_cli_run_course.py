"""What a run that did not reach its target tells people to type."""

from types import SimpleNamespace
from typing import Any

import pytest

from conductor_app.cli.run_course import way_on

RESUME = "conductor run --resume --project '/srv/my shop'"


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ("paused", "person", f"Go on with: {RESUME}"),
        ("paused", "budget_exhausted", f"`conductor up`; afterwards go on with: {RESUME}"),
        ("paused", "blocked", f"`conductor up`; afterwards go on with: {RESUME}"),
        ("cancelled", None, "Start anew with: conductor run FILE --project '/srv/my shop'"),
        ("failed", None, "Start anew with: conductor run FILE --project '/srv/my shop'"),
    ],
)
@pytest.mark.parametrize("inputs", [{}, {"prompt": "Hello"}])
def test_the_way_on(status: str, reason: str | None, words: str, inputs: dict[str, str]) -> None:
    execution: Any = SimpleNamespace(
        status=status, reason=reason, location="/srv/my shop", workflow_name="own", inputs=inputs
    )
    assert words in way_on(execution, stack_goes_on=False)
    assert ("and the inputs prompt" in way_on(execution, stack_goes_on=False)) == (
        bool(inputs) and status != "paused"
    )


def test_what_mends_it_needs_no_start_of_what_goes_on() -> None:
    execution: Any = SimpleNamespace(status="paused", reason="blocked", location="/srv/my shop")
    assert way_on(execution, stack_goes_on=True) == f"Afterwards go on with: {RESUME}"
