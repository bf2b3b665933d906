"""Tracebacks for the authors of agents: theirs, bounded, whatever was raised."""

import pytest

from workers import traces


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def perform_task(problem: Exception) -> None:
    raise problem


def raised(problem: Exception) -> Exception:
    with pytest.raises(type(problem)) as caught:
        perform_task(problem)
    return caught.value


def deeper() -> None:
    deeper()


def test_it_begins_with_the_agents_own_code() -> None:
    first, second, *_, last = traces.told(raised(ValueError("boom"))).splitlines()
    assert first == "Traceback (most recent call last):"
    assert "in perform_task" in second
    assert last == "ValueError: boom"


def test_without_an_agent_it_is_whole() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        1 / 0  # noqa: B018 - it shall raise
    assert "test_without_an_agent_it_is_whole" in traces.told(caught.value)


def test_it_is_bounded() -> None:
    with pytest.raises(RecursionError) as caught:
        deeper()
    assert traces.told(caught.value).count("in deeper") <= traces.FRAMES
    long = raised(ValueError("x" * 100_000 + "end"))
    assert len(traces.told(long)) < traces.LENGTH + 10
    assert traces.told(long).endswith("end")
    assert len(traces.summary(long)) < traces.WORDS + 10


def test_an_exception_without_words() -> None:
    problem = raised(Mute())
    assert traces.summary(problem) == "Mute"
    assert "Mute: <exception str() failed>" in traces.told(problem)
