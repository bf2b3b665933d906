"""Disks that are full: the execution pauses and says why, and goes on when there is room.

No agent is to blame, and no half work is left over.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select

from conductor_app.engine import control
from conductor_app.store.tables import executions, tasks
from tests.faults.cluster import USUAL, WORKERS
from tests.faults.conftest import MakeCluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.small_disk import small_disk
from tests.faults.templates import one_phase

TALK = "{key: a, title: A, agent: talker, needs: []}"
MEGABYTES = 16


@pytest.fixture
def disks() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("place", ["worktrees", "artifacts", "project/.git/objects", "backups"])
def test_a_full_workspace_pauses_the_execution(
    disks: ExitStack, make_cluster: MakeCluster, place: str
) -> None:
    cluster = make_cluster()
    where = cluster.home / place
    kept = {path.relative_to(where): path.read_bytes() for path in files(where)}
    disk = disks.enter_context(small_disk(where, MEGABYTES))
    for path, content in kept.items():
        (where / path).parent.mkdir(exist_ok=True)
        (where / path).write_bytes(content)
    cluster.start(*USUAL)
    cluster.ready(*WORKERS)
    disk.fill()
    id_ = cluster.begin(one_phase(TALK))
    cluster.reaches(id_, "paused")
    with cluster.conductor.read() as tx:
        row = tx.first(select(executions).where(executions.c.id == id_))
    assert row is not None and row.reason == "blocked"
    assert "The disk is full" in row.reason_detail
    assert "Way out" in row.reason_detail and "`conductor start`" in row.reason_detail

    disk.make_room()
    with cluster.conductor.transaction() as tx:
        control.resume(tx, id_)
    cluster.reaches(id_, "completed")
    judge(cluster, id_)
    judge_leftovers(cluster)
    assert cluster.count(select(tasks.c.id).where(tasks.c.failures > 0)) == 0


def files(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]
