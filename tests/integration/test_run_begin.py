"""Two runs typed at once: the second looks for an unfinished one when the first has begun."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conductor_app.cli import run_begin
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
