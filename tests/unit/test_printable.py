"""What agents say reaches terminals and logs as text, never as a command to them."""

import logging

import pytest

from conductor_app import logs
from conductor_app.cli.output import Output
from conductor_app.errors import Refused
from conductor_app.printable import printable, printable_line

EVIL = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \x9b1m a\rb"


def test_controls_are_shown_and_everything_else_stays() -> None:
    assert printable("\x1b[31mred\r\n\tgreen ✅ ⚠️ ä") == "\\x1b[31mred\\r\n\tgreen ✅ ⚠️ ä"
    assert printable_line("one\ntwo\tthree") == "one\\ntwo\\tthree"
    assert printable(EVIL).isprintable()


def test_a_log_entry_stays_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="conductor"):
        logs.info("attempt_ended", name="0/a", outcome=f"{EVIL}\n2026-01-01 INFO forged")
    assert caplog.messages[0].isprintable()


def test_a_command_prints_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.say(EVIL)
    output.note(EVIL)
    output.error(Refused(EVIL))
    output.table(["what"], [[EVIL]])
    told = capsys.readouterr()
    assert all(line.isprintable() for line in (told.out + told.err).splitlines())
