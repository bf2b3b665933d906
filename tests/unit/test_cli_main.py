"""The `conductor` program: fast help, exit codes, errors as sentences."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from conductor_app.cli import main as program
from conductor_app.cli.invocation import Invocation, command
from conductor_app.errors import InvalidInput, Refused, Unreachable

SLOW = ("celery", "kombu", "flask", "sqlalchemy", "pydantic", "rich", "supervisor")
EVERY_COMMAND = [
    *([name] for name in program.ENTRIES if name not in ("db", "project")),
    *(["db", name] for name in ("upgrade", "backup")),
    *(["lessons", name] for name in ("accept", "reject")),
    *(["project", "mcp", name] for name in ("add", "list", "remove")),
]
Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `conductor` here with one extra command, `trial`, that does what it is given."""

    def run(*arguments: str, action: Callable[[Invocation], None] = lambda _: None) -> int:
        @command("trial", example="conductor trial")
        def trial(invocation: Invocation) -> None:
            """Try."""
            action(invocation)

        monkeypatch.setitem(program.ENTRIES, "trial", program.Entry("trial:trial", "Try."))
        real = program.LazyGroup.get_command
        monkeypatch.setattr(
            program.LazyGroup,
            "get_command",
            lambda self, context, name: trial if name == "trial" else real(self, context, name),
        )
        with pytest.raises(SystemExit) as ended:
            program.main(arguments)
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def raises(error: Exception) -> Callable[[Invocation], None]:
    def action(_invocation: Invocation) -> None:
        raise error

    return action


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["up", "--help"]])
def test_help_imports_nothing_slow(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom conductor_app.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as ended:\n    assert not ended.code\n"
        f"print([name for name in {SLOW!r} if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_help_lists_every_command_with_a_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    for name, entry in program.ENTRIES.items():
        if name != "trial":
            assert f"{name} " in shown and entry.help in shown


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_every_command_shows_its_options_and_an_example(
    run: Run, capsys: pytest.CaptureFixture[str], path: list[str]
) -> None:
    assert run(*path, "--help") == 0
    shown = capsys.readouterr().out
    for words in ("--json", "--project", "--debug", "Example:", f"conductor {' '.join(path)}"):
        assert words in shown


def test_done_is_0(run: Run) -> None:
    assert run("trial") == 0


@pytest.mark.parametrize(
    ("error", "code"), [(Refused(), 1), (InvalidInput(), 2), (Unreachable(), 3), (KeyError(), 1)]
)
def test_each_kind_of_error_has_its_exit_code(run: Run, error: Exception, code: int) -> None:
    assert run("trial", action=raises(error)) == code


def test_a_wrong_command_or_option_is_2_with_a_suggestion(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("statsu") == 2
    assert "'status'" in capsys.readouterr().err
    assert run("trial", "--jsno") == 2
    assert "--json" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_workflow_that_is_not_there_is_wrong_usage(
    run: Run, home: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(command, "project-conducter") == 2
    assert "Did you mean `project-conductor`?" in capsys.readouterr().err


class TestErrors:
    def test_a_refusal_is_its_sentence_on_standard_error(
        self, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run("trial", action=raises(Refused("No. Do this instead.")))
        shown = capsys.readouterr()
        assert (shown.out, shown.err) == ("", "No. Do this instead.\n")

    def test_an_unexpected_one_says_how_to_see_more(
        self, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run("trial", action=raises(ZeroDivisionError("one by zero")))
        shown = capsys.readouterr().err
        assert "ZeroDivisionError: one by zero" in shown and "--debug" in shown
        assert "Traceback" not in shown

    @pytest.mark.parametrize("arguments", [("--debug", "trial"), ("trial", "--debug")])
    def test_debug_shows_the_traceback_wherever_it_stands(
        self, run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
    ) -> None:
        run(*arguments, action=raises(ZeroDivisionError()))
        assert "Traceback" in capsys.readouterr().err

    def test_programs_get_the_shape_of_the_api(
        self, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run("trial", "--json", action=raises(Refused("No.", task="0/a")))
        told = json.loads(capsys.readouterr().out)
        assert told == {
            "success": False,
            "error": {"code": "refused", "message": "No.", "details": {"task": "0/a"}},
        }

    def test_a_silent_database_is_unreachable(
        self, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from sqlalchemy import create_engine

        def connect(_invocation: Invocation) -> None:
            create_engine("postgresql+psycopg2://u@127.0.0.1:1/x").connect()

        assert run("trial", action=connect) == 3
        assert "The database can't be used: connection to server" in capsys.readouterr().err

    def test_ctrl_c_is_no_traceback(self, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("trial", action=raises(click.Abort())) == 130
        assert "Traceback" not in capsys.readouterr().err


class TestOptions:
    def test_they_fill_the_invocation(self, run: Run, tmp_path: Path) -> None:
        seen: list[Invocation] = []
        run("trial", "--json", "--project", str(tmp_path), action=seen.append)
        assert seen == [Invocation(json=True, project=str(tmp_path))]

    def test_an_empty_project_is_one_that_was_named(self, run: Run) -> None:
        seen: list[Invocation] = []
        run("trial", "--project", "", action=seen.append)
        assert seen == [Invocation(project="")]

    def test_json_prints_one_object_and_nothing_else(
        self, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def action(invocation: Invocation) -> None:
            invocation.output.say("for people")
            invocation.output.table(["a"], [["b"]])
            invocation.output.result({"path": Path("/x")}, "Done.")

        run("trial", "--json", action=action)
        assert json.loads(capsys.readouterr().out) == {
            "success": True,
            "message": "Done.",
            "data": {"path": "/x"},
        }

    def test_bad_settings_are_wrong_usage(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("CONDUCTOR_PORT", "http")
        assert (
            run("trial", action=lambda invocation: invocation.output.say(str(invocation.settings)))
            == 2
        )
        assert "CONDUCTOR_PORT" in capsys.readouterr().err
