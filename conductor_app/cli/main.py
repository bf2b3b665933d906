"""The `conductor` program: its table of commands, and how an error reaches a person.

Each command is a `click.Command` called `command_<name>`, made by `invocation.command`, in the
module that the table names. A module is imported when its command is used and not before:
`conductor --help` and `conductor status` stay fast, whatever other commands need.
"""

import atexit
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple

import click

from conductor_app import masking
from conductor_app.cli.invocation import DEBUG_OPTION, Invocation
from conductor_app.cli.unexpected import as_conductor_error


class Entry(NamedTuple):
    """Where a command lives (`module:object`, below conductor_app.cli) and its line of help."""

    place: str
    help: str


COMMANDS: dict[str, dict[str, Entry]] = {
    "Start here": {
        "run": Entry("run:command_run", "Run a workflow to its verified end."),
        "up": Entry("stack:command_up", "Start everything on this machine, in the background."),
        "down": Entry("stack:command_down", "Stop what `up` started."),
        "doctor": Entry("stack:command_doctor", "Say what is missing here and how to install it."),
        "check": Entry("templates:command_check", "Find every mistake in a workflow template."),
    },
    "The current execution": {
        "start": Entry("orchestrator:command_start", "Let the paused execution go on."),
        "stop": Entry("orchestrator:command_stop", "Pause it; its state is kept."),
        "status": Entry("orchestrator:command_status", "Show phase, agents, milestones, tasks."),
        "test": Entry("orchestrator:command_test", "Run the current phase's tests now."),
        "advance": Entry("orchestrator:command_advance", "Go to the next phase if tests pass."),
        "rollback": Entry("orchestrator:command_rollback", "Go back to a phase's checkpoint."),
        "deploy": Entry("orchestrator:command_deploy", "Make one agent available to it."),
        "report": Entry("orchestrator:command_report", "Say what was done, proved and spent."),
        "dashboard": Entry("orchestrator:command_dashboard", "Show the whole picture once."),
        "files": Entry("files:command_files", "Write the files in .conductor/ anew."),
        "budget": Entry("budget:command_budget", "Show what may be spent, and give more."),
    },
    "Tasks and workers": {
        "tasks": Entry("tasks:command_tasks", "List the tasks and their states."),
        "why": Entry("tasks:command_why", "Explain why a task is not running."),
        "logs": Entry("logs:command_logs", "Show what happened; -f follows."),
        "retry": Entry("tasks:command_retry", "Try a task again."),
        "skip": Entry("tasks:command_skip", "Go on without a task."),
        "rerun": Entry("tasks:command_rerun", "Do a task again, with all that needs it."),
        "cancel": Entry("tasks:command_cancel", "Stop a task for good."),
        "decisions": Entry("decisions:command_decisions", "List what agents ask you."),
        "decide": Entry("decisions:command_decide", "Answer an agent's question."),
        "lessons": Entry("lessons:command_lessons", "List what agents learnt; accept or reject."),
        "signals": Entry("signals:command_signals", "List what agents say needs action."),
        "workers": Entry("workers:command_workers", "List the workers and their slots."),
    },
    "The installation": {
        "project": Entry("mcp:command_project", "Give its agents the tools of MCP servers."),
        "db": Entry("database:command_db", "Upgrade or back up the database."),
    },
}


ENTRIES = {name: entry for section in COMMANDS.values() for name, entry in section.items()}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is used."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(ENTRIES)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in ENTRIES:
            return None
        module, _, attribute = ENTRIES[name].place.partition(":")
        found = getattr(importlib.import_module(f"conductor_app.cli.{module}"), attribute)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if arguments[0] not in ENTRIES and not arguments[0].startswith("-"):
            raise click.NoSuchCommand(arguments[0], possibilities=ENTRIES, ctx=context)
        return super().resolve_command(context, arguments)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in section.items()])


@click.group(
    "conductor",
    cls=LazyGroup,
    epilog="\b\nExample:\n  conductor run\n\nEvery command explains itself: conductor up --help",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="conductor-app", prog_name="conductor")
@DEBUG_OPTION
def conductor() -> None:
    """Hands software work to AI agents and verifies every claim of "done" itself."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit.

    0 done, 1 refused or failed, 2 wrong usage, 3 nothing reachable, 130 stopped by Ctrl-C.
    """
    _be_brief()
    invocation = Invocation()
    try:
        answer = conductor.main(args=arguments, standalone_mode=False, obj=invocation)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Stopped at your wish.", err=True)
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        # Who read our output has enough. Python would complain about it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if invocation.debug:
            click.echo(masking.words(traceback.format_exc()), err=True)
        told = as_conductor_error(error)
        invocation.output.error(told)
        sys.exit(told.exit_code)
    sys.exit(answer if isinstance(answer, int) else 0)


def _be_brief() -> None:
    """Spare a short command a fifth of its time: hardly anything of what it imports is garbage."""
    gc.set_threshold(100_000)
    # What is frozen is not looked through once more while Python ends.
    atexit.register(gc.freeze)


if __name__ == "__main__":
    main()
