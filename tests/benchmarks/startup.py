"""How long a person waits: `conductor up` until ready, `conductor status` served and alone.

python -m tests.benchmarks.startup [--rounds 5]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from conductor_app import bootstrap
from conductor_app.engine import control, start
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import projects
from tests.benchmarks import noop, stack

CONDUCTOR = Path(sys.executable).parent / "conductor"


def seconds(home: Path, *arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [CONDUCTOR, *arguments],
        env={**os.environ, "CONDUCTOR_HOME": str(home)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with stack.home() as home:
        first = seconds(home, "up")
        seconds(home, "down")
        _begin_something(home)
        ups, served, alone = [], [], []
        for _ in range(rounds):
            ups.append(seconds(home, "up"))
            served.append(seconds(home, "status"))
            seconds(home, "down")
            alone.append(seconds(home, "status"))
    print(f"conductor up, first time (creates the database)  {first:.2f} s")
    print(f"conductor up                                     {statistics.median(ups):.2f} s")
    print(f"conductor status, stack running                  {statistics.median(served):.2f} s")
    print(f"conductor status, nothing running                {statistics.median(alone):.2f} s")


def _begin_something(home: Path) -> None:
    """An execution of 200 tasks for `status` to show; paused, so that it stays as it is."""
    loaded = noop.workflow(noop.fan_out(200))
    wanted = start.Wanted(loaded.workflow, loaded.version, "benchmark.yml", loaded.text)
    with (
        bootstrap.connected(Settings.load(home), MemoryQueue()) as conductor,
        conductor.transaction() as tx,
    ):
        project = projects.add(tx, "benchmark", "")
        control.pause(tx, start.start(tx, project.id, wanted))


if __name__ == "__main__":
    main()
