"""A project's service: started when needed, shared, stopped, its failures explained."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from conductor_app.domain.states import Verdict
from tests.sandboxes import detected
from tests.workbench import ITEMS, ITEMS_SERVICE, make_bench, run
from workers import ports
from workers.bench import Bench
from workers.sandbox import Level
from workers.services import ServiceFailed

MakeBench = Callable[..., Bench]


@pytest.fixture
def bench_of(tmp_path: Path) -> Iterator[MakeBench]:
    """Makes a bench with one service `items`, stopped at the end of the test."""
    made: list[Bench] = []

    def make(level: str = "auto", **service: Any) -> Bench:
        files = {"service.py": ITEMS_SERVICE}
        declared = {"items": {**ITEMS, **service}}
        made.append(make_bench(tmp_path, detected(level), files, services=declared))
        return made[0]

    yield make
    for bench in made:
        bench.close()


@pytest.mark.parametrize("level", Level)
def test_one_instance_serves_all_and_ends_with_the_bench(bench_of: MakeBench, level: str) -> None:
    with closing(bench_of(level)) as bench:
        assert not list(bench.artifacts.iterdir())
        service = bench.services.running("items")
        assert bench.services.running("items") is service
        assert service.variables["MODE"] == "checked"
        assert service.url == f"http://127.0.0.1:{service.variables['PORT']}"
        process = psutil.Process(service.command.pid)
        family = [process, *process.children(recursive=True)]
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", service.port)) != 0
    assert "items are served" in service.log.read_text()


def test_without_a_path_an_open_port_is_readiness(bench_of: MakeBench) -> None:
    assert bench_of(ready={}).services.running("items").command.alive()


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ({"run": "echo broken config; exit 1"}, "ended before it was ready"),
        (
            {"run": "echo asleep; exec sleep 60", "ready": {"timeout": 0.3}},
            "was not ready after 0.3 s",
        ),
        ({"ready": {"path": "/absent", "timeout": 1}}, "GET /absent answered 404"),
        ({"run": ["no-such-program"]}, "no-such-program"),
    ],
)
def test_a_service_that_does_not_come_up_fails_the_check(
    bench_of: MakeBench, service: dict[str, Any], message: str
) -> None:
    result = run(bench_of(**service), "http", service="items", requests=[{"path": "/"}])
    assert result.verdict is Verdict.FAILED
    assert message in result.message
    assert result.evidence["reason"] == result.message


def test_the_log_explains_a_service_that_ended(bench_of: MakeBench) -> None:
    with pytest.raises(ServiceFailed, match="broken config"):
        bench_of(run="echo broken config; exit 1").services.running("items")


def test_a_failed_start_is_not_repeated_for_every_check(bench_of: MakeBench) -> None:
    bench = bench_of(run="echo start >> starts; exit 1")
    for _ in range(2):
        run(bench, "command", service="items", run="true")
    assert (bench.checkout / "starts").read_text() == "start\n"


def test_a_service_that_died_since_is_said(
    bench_of: MakeBench, wait_until: Callable[..., None]
) -> None:
    bench = bench_of()
    service = bench.services.running("items")
    run(bench, "http", service="items", requests=[{"path": "/die"}])
    wait_until(lambda: not service.command.alive(), what="the service has ended")
    result = run(bench, "http", service="items", requests=[{"path": "/items"}])
    assert "was running and has stopped by itself" in result.message


def test_an_undeclared_service_names_the_declared(bench_of: MakeBench) -> None:
    result = run(bench_of(), "http", service="web", requests=[{"path": "/"}])
    assert "declares no service 'web'; it declares: items" in result.message


@pytest.mark.parametrize("level", Level)
def test_a_taken_port_is_replaced(
    bench_of: MakeBench, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = ports.free
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first = [taken.getsockname()[1]]
        monkeypatch.setattr(ports, "free", lambda: first.pop() if first else free())
        service = bench_of(level).services.running("items")
        assert service.port != taken.getsockname()[1]


def test_a_cancelled_judging_does_not_wait_for_readiness(bench_of: MakeBench) -> None:
    bench = bench_of(run="exec sleep 60", ready={"timeout": 60})
    bench.cancelled = lambda: True
    with pytest.raises(ServiceFailed, match="cancelled"):
        bench.services.running("items")
