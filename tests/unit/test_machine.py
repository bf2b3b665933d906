"""How busy the machine is, against processors that do as they are told."""

from collections import namedtuple
from typing import Any

import pytest

from conductor_app.views import machine
from conductor_app.views.machine import Processors

Times = namedtuple("Times", "user system idle iowait")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the clock and the processors' counters, in seconds."""

    def set_to(now: float, *times: float) -> None:
        monkeypatch.setattr(machine.time, "monotonic", lambda: now)
        monkeypatch.setattr(machine.psutil, "cpu_times", lambda: Times(*times))

    return set_to


def test_the_first_look_tells_of_all_time(at: Any) -> None:
    at(0, 10, 10, 70, 10)
    assert Processors().busy() == pytest.approx(0.2)


def test_the_next_tells_of_what_has_passed_since(at: Any) -> None:
    at(0, 10, 10, 70, 10)
    processors = Processors()
    at(2, 12, 11, 71, 10)
    assert processors.busy() == pytest.approx(0.75)


def test_looks_at_once_share_an_answer(at: Any) -> None:
    at(0, 10, 10, 70, 10)
    processors = Processors()
    at(0.5, 11, 10, 70, 10)
    assert processors.busy() == pytest.approx(0.2)


@pytest.mark.parametrize("times", [(10, 10, 70, 10), (9, 10, 75, 10), (12, 10, 69, 10)])
def test_counters_that_stand_or_go_back_make_no_nonsense(at: Any, times: tuple[float]) -> None:
    at(0, 10, 10, 70, 10)
    processors = Processors()
    at(5, *times)
    assert 0 <= processors.busy() <= 1
