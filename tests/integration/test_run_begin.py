"""How a run begins: two typed at once take turns, and one that resumes knows what it found."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conductor_app.cli import run_begin
from conductor_app.cli.client import Api
from conductor_app.errors import Ambiguous, NotFound
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.faults.test_killed_services import waits_for_lock


def test_the_second_waits_until_the_first_has_begun(
    home: Path, wait_until: Callable[..., None]
) -> None:
    order: list[str] = []

    def second() -> None:
        with run_begin.one_at_a_time(home):
            order.append("the second looks")

    with ThreadPoolExecutor() as threads:
        with run_begin.one_at_a_time(home):
            waiting = threads.submit(second)
            wait_until(lambda: waits_for_lock(os.getpid()), seconds=60, what="the second waits")
            order.append("the first has begun")
        waiting.result(60)
    assert order == ["the first has begun", "the second looks"]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def test_what_the_stack_finishes_while_it_starts_is_resumed_all_the_same(
    engine: Engine, tmp_path: Path
) -> None:
    id_ = engine.start(workflow(phase(task("a"))))
    with engine.reading() as tx:
        left = run_begin.unfinished(tx, "/nowhere/demo", tmp_path)
    assert left.execution_id == id_
    engine.run()
    nobody = Api("http://127.0.0.1:1", "token")
    with engine.reading() as tx:
        assert run_begin.resume(nobody, tx, left) == left
        told = f"no unfinished execution on /nowhere/demo: the last, {id_}, is completed"
        with pytest.raises(NotFound, match=told):
            run_begin.unfinished(tx, "/nowhere/demo", tmp_path)


def test_what_goes_on_is_the_project_around(engine: Engine, tmp_path: Path) -> None:
    around, other = tmp_path / "around", tmp_path / "other"
    for place in (around, other):
        (place / ".git").mkdir(parents=True)
    one = engine.start(workflow(phase(task("a"))), "around", str(tmp_path))
    newer = engine.start(workflow(phase(task("a"))), "other", str(tmp_path))
    with engine.reading() as tx:
        assert run_begin.unfinished(tx, None, around).execution_id == one
        assert run_begin.unfinished(tx, None, other).execution_id == newer
        with pytest.raises(Ambiguous, match=f"{newer} on {other}.*--project"):
            run_begin.unfinished(tx, None, tmp_path)
    engine.run()
    with engine.reading() as tx, pytest.raises(NotFound, match=f"execution on {around}"):
        run_begin.unfinished(tx, None, around)
