"""`kill -9` of what workers depend on: beat, Redis with its memory, and the API in mid POST."""

import fcntl
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from conductor_app.store.tables import attempts, executions, leases
from tests.faults.cluster import SCALED, USUAL, Cluster
from tests.faults.conftest import MakeCluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT, fan_out, one_phase

DONE = select(attempts.c.id).where(attempts.c.status == "succeeded")


def test_beat_is_killed_again_and_again(cluster: Cluster) -> None:
    cluster.start(*USUAL)
    id_ = cluster.begin(PROJECT)
    for task in ("0-plan", "0-shell", "1-walls"):
        cluster.wait(lambda task=task: cluster.begun(task), f"{task} has begun")
        cluster.kill("beat")
        before = ticked(cluster)
        cluster.wait(lambda before=before: ticked(cluster) > before, "the next tick")
    cluster.reaches(id_, "completed")
    judge(cluster, id_)


def ticked(cluster: Cluster) -> int:
    """Until when the last tick's lease lasts: it moves with every tick."""
    with cluster.conductor.read() as tx:
        return int(tx.value(select(leases.c.until).where(leases.c.name == "tick")) or 0)


@pytest.mark.parametrize("emptied", [False, True], ids=["restarted", "emptied"])
def test_redis_is_killed_in_mid_burst(cluster: Cluster, emptied: bool) -> None:
    cluster.start(*USUAL)
    cluster.ready("agent", "system")
    id_ = cluster.begin(fan_out(200))
    cluster.wait(lambda: cluster.count(DONE) > 20, "the burst is under way")
    cluster.kill("redis")
    if emptied:
        for file in cluster.settings.places.redis.iterdir():
            file.unlink()
    cluster.reaches(id_, "completed")
    judge(cluster, id_)
    cluster.nobody_came_back()


def test_hints_that_are_lost_are_sent_again_within_their_bound(cluster: Cluster) -> None:
    cluster.start("system", "beat")
    cluster.ready("system")
    id_ = cluster.begin(fan_out(3))
    with cluster.redis() as client:
        client.flushall()
    cluster.start("agent")
    cluster.ready("agent")
    seconds = cluster.wait(lambda: cluster.status(id_) == "completed", "the work is done")
    # reliability.md: 60 s where a hint counts as lost after 30 s.
    assert seconds < 2 * SCALED["hint_lost_seconds"] + 5
    judge(cluster, id_)


@pytest.fixture
def served(make_cluster: MakeCluster) -> Cluster:
    """A cluster whose API is up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    cluster = make_cluster(port=port)
    cluster.start("api")
    cluster.wait(lambda: answers(cluster), "the API answers")
    return cluster


def answers(cluster: Cluster) -> bool:
    try:
        return ask(cluster, "GET", "/health/live").ok
    except requests.RequestException:
        return False


def ask(cluster: Cluster, method: str, path: str, **given: Any) -> requests.Response:
    url = f"http://127.0.0.1:{cluster.settings.port}/api/v1{path}"
    headers = {
        "Authorization": f"Bearer {cluster.settings.api_token()}",
        **given.pop("headers", {}),
    }
    return requests.request(method, url, headers=headers, timeout=30, **given)


class Post:
    """A POST that starts an execution, under the same key each time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._body = {
            "project": str(cluster.repository),
            "template": one_phase("{key: a, title: A, agent: looker, files: false, needs: []}"),
            "inputs": {"control": str(cluster.control)},
        }

    def send(self) -> requests.Response:
        key = {"Idempotency-Key": "only-once"}
        return ask(self._cluster, "POST", "/executions", json=self._body, headers=key)

    def send_in_vain(self) -> Callable[[], None]:
        """Send it in the background; the result waits for it and wants no answer to come."""
        came: list[requests.Response] = []

        def run() -> None:
            try:
                came.append(self.send())
            except requests.RequestException:
                return

        thread = threading.Thread(target=run)
        thread.start()

        def unanswered() -> None:
            thread.join(30)
            assert not came

        return unanswered


def test_the_api_is_killed_before_the_commit(served: Cluster) -> None:
    post = Post(served)
    with (served.home / "conductor.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unanswered = post.send_in_vain()
        served.wait(lambda: waits_for_lock(served.members["api"].pid), "the POST wants to write")
        served.kill("api")
        unanswered()
    assert served.count(select(executions.c.id)) == 0
    one_execution(served, post, replayed=False)


def test_the_api_is_killed_after_the_commit(served: Cluster) -> None:
    """What keeps it from answering is a Redis server that does not answer either."""
    post = Post(served)
    served.freeze("redis")
    unanswered = post.send_in_vain()
    served.wait(lambda: served.count(select(executions.c.id)) == 1, "the POST has written")
    served.kill("api")
    unanswered()
    served.thaw("redis")
    one_execution(served, post, replayed=True)


def one_execution(served: Cluster, post: Post, replayed: bool) -> None:
    """The same request, again and again: one execution, one answer, and it runs to its end."""
    served.wait(lambda: answers(served), "the API is back")
    first, second = post.send(), post.send()
    assert (first.status_code, second.status_code) == (201, 201)
    assert ("Idempotent-Replayed" in first.headers) is replayed
    assert first.json()["data"] == second.json()["data"]
    assert served.count(select(executions.c.id)) == 1
    served.start(*USUAL)
    with served.conductor.read() as tx:
        id_ = str(tx.value(select(executions.c.id)))
    served.reaches(id_, "completed")
    judge(served, id_)
    judge_leftovers(served)


def waits_for_lock(pid: int) -> bool:
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f" {pid} " in line for line in lines)
