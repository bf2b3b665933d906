"""Links between processes and their servers that are cut, slow, or swallow what is sent.

Nobody restarts anything: when the link is whole again, or the operating system has noticed that it
is not, work goes on by itself. An unknown COMMIT is read again, never assumed.
"""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest
import requests
from sqlalchemy import select

from conductor_app.store.tables import attempts, executions, jobs, tasks
from tests.fakes.tcp_proxy import TcpProxy, every
from tests.faults import links
from tests.faults.cluster import SCALED, USUAL, Cluster
from tests.faults.conftest import MakeCluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT, fan_out, one_phase
from tests.faults.test_drain import DRAINED_WITHIN
from tests.faults.test_killed_services import Post, answers, ask

LEASE = SCALED["lease_seconds"]
SLOW = 20_000.0
LOST = select(jobs.c.id).where(jobs.c.lost_leases > 0)
BEGUN = select(attempts.c.id)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def make(opened: ExitStack, postgresql_url: str, make_cluster: MakeCluster) -> MakeCluster:
    """Make a cluster on PostgreSQL; its processes end before the links and the database do."""
    return partial(make_cluster, database_url=postgresql_url, port=free_port())


@pytest.fixture
def cluster(make: MakeCluster) -> Cluster:
    return make()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def postgresql(cluster: Cluster, opened: ExitStack) -> TcpProxy:
    return opened.enter_context(links.to_postgresql(cluster.settings.database_url))


@pytest.fixture
def redis(cluster: Cluster, opened: ExitStack) -> TcpProxy:
    return opened.enter_context(links.to_redis(cluster.settings))


def behind(cluster: Cluster, link: TcpProxy, server: str) -> dict[str, str]:
    """The environment of a process that reaches this server by this link."""
    if server == "redis":
        return {"CONDUCTOR_REDIS_URL": links.redis_through(link, cluster.settings.redis_password())}
    url = links.postgresql_through(link, cluster.settings.database_url)
    return {"CONDUCTOR_DATABASE_URL": url}


def for_so_long(seconds: float) -> Callable[[], bool]:
    """How long a disturbance lasts."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def disturb(cluster: Cluster, link: TcpProxy) -> None:
    """One after the other, each for longer than a lease, each in mid run."""
    link.slow(SLOW)
    cluster.wait(for_so_long(LEASE), "it was slow")
    link.heal()
    cluster.wait(for_so_long(LEASE / 3), "it was whole")
    link.black_hole()
    cluster.wait(for_so_long(2 * LEASE), "nothing passed")
    link.forget()
    link.heal()
    cluster.wait(for_so_long(LEASE / 3), "it was whole")
    link.cut()
    cluster.wait(for_so_long(LEASE), "it was cut")
    link.heal()


@pytest.mark.parametrize(
    ("member", "server"),
    [
        ("agent", "postgresql"),
        ("system", "postgresql"),
        ("agent", "redis"),
        ("system", "redis"),
        ("beat", "redis"),
    ],
)
def test_work_goes_on_by_itself(
    request: pytest.FixtureRequest, cluster: Cluster, member: str, server: str
) -> None:
    """Beat only sends; the tick itself runs in the system's worker, on its links."""
    link: TcpProxy = request.getfixturevalue(server)
    cluster.start(*(name for name in USUAL if name != member))
    cluster.start(member, **behind(cluster, link, server))
    cluster.ready("agent", "system")
    ids = [cluster.begin(PROJECT), cluster.begin(fan_out(60, then=60))]
    cluster.wait(lambda: cluster.count(BEGUN) > 5, "work has begun")
    disturb(cluster, link)
    ids.append(cluster.begin(PROJECT))
    for id_ in ids:
        cluster.reaches(id_, "completed")
        judge(cluster, id_)
    judge_leftovers(cluster)
    cluster.nobody_came_back()


def test_commits_that_are_not_answered_cost_nothing(opened: ExitStack, make: MakeCluster) -> None:
    """Done or not, who tries again finds out: no job is left to its lease, nothing is done twice.

    With production's leases, so that none is lost for other reasons.
    """
    cluster = make(lease_seconds=30, hint_lost_seconds=30)
    link = opened.enter_context(links.to_postgresql(cluster.settings.database_url))
    cluster.start("system", "isolated", "beat")
    cluster.start("agent", **behind(cluster, link, "postgresql"))
    cluster.ready("agent", "system")
    link.lose_answer(every(3, links.is_commit))
    ids = [cluster.begin(PROJECT), cluster.begin(fan_out(12, then=12))]
    for id_ in ids:
        cluster.reaches(id_, "completed")
        judge(cluster, id_)
    judge_leftovers(cluster)
    assert link.lost >= 10
    assert cluster.count(LOST) == 0
    flaky = select(tasks.c.id).where(tasks.c.failures > 0)
    assert cluster.count(BEGUN) == cluster.count(select(tasks.c.id)) + cluster.count(flaky)


def test_commits_that_never_arrive_are_made_again(cluster: Cluster, postgresql: TcpProxy) -> None:
    cluster.start("agent", "isolated", "beat")
    cluster.start("system", **behind(cluster, postgresql, "postgresql"))
    cluster.ready("agent", "system")
    postgresql.lose_request(every(3, links.is_commit))
    id_ = cluster.begin(PROJECT)
    cluster.reaches(id_, "completed")
    judge(cluster, id_)
    judge_leftovers(cluster)
    assert postgresql.lost >= 3


def test_a_worker_drains_while_the_database_is_silent(
    cluster: Cluster, postgresql: TcpProxy
) -> None:
    """Its jobs are left to their leases, and somebody else goes on."""
    cluster.start("system", "isolated", "beat")
    cluster.start("agent", **behind(cluster, postgresql, "postgresql"))
    cluster.ready("agent", "system")
    id_ = cluster.begin(one_phase("{key: wait, title: Wait, agent: waiter, needs: []}"))
    cluster.wait(lambda: cluster.begun("0-wait"), "it has begun")
    postgresql.black_hole()
    cluster.stop("agent", seconds=DRAINED_WITHIN)
    cluster.start("agent")
    cluster.go()
    cluster.reaches(id_, "completed")
    judge(cluster, id_)
    judge_leftovers(cluster)


@pytest.fixture
def served(cluster: Cluster, postgresql: TcpProxy) -> Cluster:
    """With an API that reaches the database by the link."""
    cluster.start("api", **behind(cluster, postgresql, "postgresql"))
    cluster.wait(lambda: answers(cluster), "the API answers")
    return cluster


@pytest.mark.parametrize("what", ["answer", "request"])
def test_a_post_whose_commit_is_unknown_may_be_sent_again(
    served: Cluster, postgresql: TcpProxy, what: str
) -> None:
    """It says that it does not know; the same key then finds out, and one execution begins."""
    post = Post(served)
    lose = postgresql.lose_answer if what == "answer" else postgresql.lose_request
    lose(links.is_commit)
    refused = post.send()
    assert postgresql.lost >= 1
    assert refused.status_code == 503, refused.text
    assert "same Idempotency-Key" in refused.json()["error"]["message"]
    postgresql.heal()
    first, second = post.send(), post.send()
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["data"] == second.json()["data"]
    assert served.count(select(executions.c.id)) == 1
    served.start(*USUAL)
    id_ = first.json()["data"]["id"]
    served.reaches(id_, "completed")
    judge(served, id_)


def test_the_api_answers_while_the_database_is_silent(
    served: Cluster, postgresql: TcpProxy
) -> None:
    """Who asks is told within the bound, health says why, and it serves again by itself."""
    assert ask(served, "GET", "/executions").ok
    for disturb_it in (postgresql.black_hole, postgresql.cut):
        disturb_it()
        with ThreadPoolExecutor() as threads:
            asked = [threads.submit(ask, served, "GET", "/executions") for _ in range(4)]
            assert {status_of(each) for each in asked} == {503}
        assert ask(served, "GET", "/health/live").ok
        assert ask(served, "GET", "/health/ready").status_code == 503
        postgresql.heal()
        served.wait(lambda: ask(served, "GET", "/executions").ok, "it serves again", 15)
    assert served.members["api"].starts == 1


def status_of(asked: "Future[requests.Response]") -> int:
    return asked.result(30).status_code


def test_a_slow_database_is_only_slow(served: Cluster, postgresql: TcpProxy) -> None:
    postgresql.slow(SLOW)
    body = {
        "project": str(served.repository),
        "template": one_phase("{key: a, title: A, agent: looker, files: false, needs: []}"),
        "inputs": {"control": str(served.control)},
    }
    answer = ask(served, "POST", "/executions", json=body)
    assert answer.status_code == 201, answer.text
