"""Logs: one entry a line, for people or as JSON, about something, masked, and only once."""

import json
import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from conductor_app import logs, masking
from conductor_app.masking import MASK

CANARY = "canary-in-a-log-8f3c"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    hooks = sys.excepthook, logs.threading.excepthook
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, logs.threading.excepthook = hooks
    logging.captureWarnings(False)


def entries(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_has_the_ids_of_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("worker", "json")
    logs.of_process(worker="W1")
    with logs.about(execution="E1", task=None), logs.about(attempt="A1"):
        logs.info("attempt_ended", name="0/a", outcome="succeeded")
    logs.info("tick", open=3)
    told, after = entries(capsys.readouterr().err)
    assert told.pop("@timestamp")
    assert told.pop("pid")
    assert told == {
        "level": "INFO",
        "message": "0/a: succeeded",
        "logger": "conductor",
        "process": "worker",
        "worker": "W1",
        "execution": "E1",
        "attempt": "A1",
        "event": "attempt_ended",
        "facts": {"name": "0/a", "outcome": "succeeded"},
    }
    assert "execution" not in after


def test_people_read_the_ids_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("worker")
    with logs.about(execution="E1", attempt="A1"):
        logs.info("attempt_ended", name="0/a", outcome="succeeded")
    line = capsys.readouterr().err
    assert line.endswith(" INFO conductor 0/a: succeeded [execution=E1 attempt=A1]\n")


@pytest.mark.parametrize("format_", ["text", "json"])
def test_no_entry_holds_a_secret(capsys: pytest.CaptureFixture[str], format_: str) -> None:
    masking.know(CANARY)
    logs.set_up("worker", format_)
    try:
        raise RuntimeError(f"no way in with {CANARY} at postgresql://me:pw@host")
    except RuntimeError as error:
        logs.error("job_failed", kind="attempt", name="0/a", error=error)
    logging.getLogger("celery").warning("lost %s", CANARY)
    told = capsys.readouterr().err
    assert CANARY not in told
    assert "me:pw" not in told
    assert told.count(MASK) >= 4
    assert "RuntimeError" in told


@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize(
    "said",
    [
        'no way in: password="{}" host="db"',
        'asked with {{"authorization": "Bearer {}"}}',
        "the key \u201csk-ant-{}-0123456789-abcdefghij\u201d",
    ],
)
def test_no_entry_holds_a_secret_in_quotes(
    capsys: pytest.CaptureFixture[str], format_: str, said: str
) -> None:
    logs.set_up("worker", format_)
    logs.warning("heartbeat_failed", error=said.format("hunter2xyz"))
    logs.warning("heartbeat_failed", error=RuntimeError(said.format("hunter2xyz")))
    told = capsys.readouterr().err
    assert "hunter2xyz" not in told
    if format_ == "json":
        assert [MASK in str(each["facts"]) for each in entries(told)] == [True, True]


def test_what_others_say_in_several_lines_is_one_entry(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("api", "json")
    logging.getLogger("celery").error("one\ntwo")
    assert [each["message"] for each in entries(capsys.readouterr().err)] == ["one\ntwo"]


def test_set_up_twice_logs_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("api")
    logs.set_up("api", "json", "WARNING")
    logs.info("tick", open=1)
    logs.warning("hook", line="here")
    assert len(entries(capsys.readouterr().err)) == 1


def test_what_nobody_caught_is_an_entry_too() -> None:
    program = f"""
        import threading
        from conductor_app import logs, masking
        masking.know("{CANARY}")
        logs.set_up("worker", "json")
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        raise RuntimeError("{CANARY}")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert ended.returncode == 1
    first, second = entries(ended.stderr)
    assert "ZeroDivisionError" in str(first["traceback"])
    assert second["level"] == "CRITICAL"
    assert CANARY not in ended.stderr


def test_celery_adds_no_handlers(capsys: pytest.CaptureFixture[str]) -> None:
    """As a worker and as beat start it; a process of its own, for Celery keeps this in globals."""
    program = """
        import logging
        from celery.signals import setup_logging
        from beat.program import main  # as beat is started
        from conductor_app import bootstrap, logs
        from conductor_app.settings import Settings
        from workers.program import keep_logging
        logs.set_up("worker", "json")
        setup_logging.connect(keep_logging, weak=False)
        app = bootstrap.celery_app(Settings.load())
        app.log.setup("WARNING", redirect_stdouts=True)
        from celery.utils.log import get_logger, get_task_logger
        get_logger("celery.worker").warning("one")
        get_task_logger("a.task").warning("two")
        print("printed")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert [each["message"] for each in entries(ended.stderr)] == ["one", "two"], ended.stderr
    assert ended.stdout == "printed\n"
