"""Checks that run programs of the project: kind command, and kind python in a child interpreter."""

import json
import socket
import threading
from pathlib import Path

import pytest

from conductor_app.domain.states import Verdict
from tests.workbench import COMMIT, TREE, check, make_bench, run
from workers.bench import Bench
from workers.checks import JudgingCancelled, judge
from workers.sandbox import Sandbox

PROJECT_CHECKS = """
import os, sys, project

def fine(checkout, *, name):
    print("looking at", name)
    return {"passed": (checkout / name).is_file(), "message": "seen", "evidence": {"name": name}}

def asserts(checkout):
    assert project.VALUE == 2, "the value must be 2"
    return True

def nothing(checkout):
    pass

def leaves(checkout):
    os._exit(0)

def forever(checkout):
    while True:
        pass
"""
FILES = {"project.py": "VALUE = 1\n", "checks/own.py": PROJECT_CHECKS}


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox.detect("auto")


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return make_bench(tmp_path, sandbox, FILES)


def test_a_command_passes_with_evidence(bench: Bench, sandbox: Sandbox) -> None:
    result = run(
        bench,
        "command",
        run="echo $GREETING; seq 1 3000; cat project.py",
        env={"GREETING": "hello"},
        output_contains=["hello", "VALUE"],
    )
    assert result.verdict is Verdict.PASSED, result.message
    evidence = result.evidence
    assert evidence["command"] == "echo $GREETING; seq 1 3000; cat project.py"
    assert (evidence["exit_code"], evidence["commit"], evidence["tree"]) == (0, COMMIT, TREE)
    assert (evidence["sandbox"], evidence["duration"]) == (sandbox.level, result.seconds)
    assert len(evidence["log"]) == 4_000
    full = Path(evidence["log_path"])
    assert full.parent == bench.artifacts
    assert full.read_text().startswith("hello\n1\n")
    json.dumps(evidence)


def test_a_wrong_end_and_output_are_both_said(bench: Bench) -> None:
    result = run(bench, "command", run=["sh", "-c", "exit 3"], output_contains=["done"])
    assert result.verdict is Verdict.FAILED
    assert "`sh -c exit 3` ended with exit code 3, not 0" in result.message
    assert "the output does not contain 'done'" in result.message


def test_an_expected_failure_passes(bench: Bench) -> None:
    assert run(bench, "command", run="exit 3", exit_code=3).verdict is Verdict.PASSED


def test_a_command_that_takes_too_long_is_stopped(bench: Bench) -> None:
    result = run(bench, "command", run="echo begun; exec sleep 60", timeout=0.5)
    assert result.verdict is Verdict.FAILED
    assert "took longer than 0.5 s and was stopped" in result.message
    assert "begun" in result.evidence["log"]
    assert result.evidence["timed_out"]


def test_a_command_that_is_not_there_fails(bench: Bench) -> None:
    result = run(bench, "command", run=["no-such-program"], optional=True)
    assert result.verdict is Verdict.FAILED
    assert result.evidence["exit_code"] == 127


def test_a_command_inherits_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    result = run(bench, "command", run="env")
    assert "ANTHROPIC_API_KEY" not in result.evidence["log"]


def test_any_bytes_may_be_printed(bench: Bench) -> None:
    result = run(bench, "command", run=r"printf 'a\0b\377c'")
    assert result.evidence["log"] == "a\ufffdb\ufffdc"


def test_only_a_check_that_declares_docker_reaches_its_daemon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.home.mkdir()
    monkeypatch.setattr("workers.bench.require", lambda programs, path: None)
    monkeypatch.setattr("workers.docker.SOCKET", bench.home / "docker.sock")
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(bench.home / "docker.sock"))
        daemon.listen()
        call = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        argv = ["python", "-c", call, str(bench.home / "docker.sock")]
        declared = run(bench, "command", run=argv, requires=["docker"])
        undeclared = run(bench, "command", run=argv)
    assert declared.verdict is Verdict.PASSED, declared.evidence["log"]
    assert undeclared.verdict is Verdict.FAILED


def test_a_function_of_the_project_answers(bench: Bench) -> None:
    arguments = {"name": "project.py"}
    result = run(bench, "python", function="checks/own.py:fine", arguments=arguments)
    assert (result.verdict, result.message) == (Verdict.PASSED, "seen")
    assert result.evidence["name"] == "project.py"
    assert "looking at project.py" in result.evidence["log"]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("asserts", "AssertionError: the value must be 2"),
        ("nothing", "it must return true or false"),
        ("leaves", "gave no answer: it ended with exit code 0"),
        ("absent", "AttributeError"),
        ("forever", "took longer than 2 s"),
    ],
)
def test_a_function_of_the_project_that_does_not_pass(
    bench: Bench, function: str, message: str
) -> None:
    result = run(bench, "python", function=f"checks/own.py:{function}", timeout=2)
    assert result.verdict is Verdict.FAILED
    assert message in result.message
    assert result.evidence["log_path"]


def test_a_function_in_no_file_fails(bench: Bench) -> None:
    result = run(bench, "python", function="checks/absent.py:fine")
    assert "checks/absent.py is not in the commit" in result.message
    outside = run(bench, "python", function="../own.py:fine")
    assert "outside the checkout" in outside.message


def test_files_are_judged_before_a_command_can_write_them(bench: Bench) -> None:
    results = judge(
        [
            check("command", run="echo forged > report.txt", name="first"),
            check("file", path="report.txt", name="second"),
            check("command", run="cat report.txt", name="third", task="0/report"),
        ],
        bench,
    )
    assert [(r.name, r.verdict.value, r.task) for r in results] == [
        ("first", "passed", None),
        ("second", "failed", None),
        ("third", "passed", "0/report"),
    ]


def test_a_cancelled_judging_gives_no_verdict(bench: Bench) -> None:
    cancelled = threading.Event()
    bench.cancelled = cancelled.is_set
    threading.Timer(0.5, cancelled.set).start()
    with pytest.raises(JudgingCancelled):
        judge([check("command", run="exec sleep 60"), check("command", run="true")], bench)
