"""The command `files`, and the files in `.conductor/` at the end of a run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from conductor_app.cli.chosen import execution_option, to_be_shown
from conductor_app.cli.invocation import Invocation, command
from conductor_app.cli.output import Output
from conductor_app.cli.reading import reading
from conductor_app.errors import EnvironmentProblem

if TYPE_CHECKING:
    from conductor_app.settings import Settings


class FilesNotWritten(EnvironmentProblem):
    """The files in `.conductor/` could not be written."""

    code = "files_not_written"


@command("files", example="conductor files --project /srv/shop")
@execution_option
def command_files(invocation: Invocation, execution: str | None) -> None:
    """Write the files in .conductor/ anew, from the database; no server need run.

    While an execution goes on, and at the end of a run, Conductor does so by itself.
    """
    with reading(invocation.settings) as tx:
        id_ = to_be_shown(tx, invocation, execution).id
    folder = write_files(invocation.settings, id_)
    sentence = f"The files in {folder} are up to date."
    invocation.output.say(sentence)
    invocation.output.result({"execution": id_, "folder": folder}, sentence)


@contextmanager
def written_in_the_end(settings: "Settings", output: Output) -> Iterator[list[str]]:
    """Write the files of the executions that were put on the list, when the block is over."""
    ids: list[str] = []
    try:
        yield ids
    finally:
        # Whoever has no patience any more gets them by `conductor files`.
        with suppress(KeyboardInterrupt):
            for id_ in ids:
                _write(settings, output, id_)


def _write(settings: "Settings", output: Output, execution_id: str) -> None:
    try:
        write_files(settings, execution_id)
    except FilesNotWritten as failure:
        output.note(f"Warning: {failure.message}")


def write_files(settings: "Settings", execution_id: str) -> Path:
    """Have the files that tell of an execution written; their folder. Raises FilesNotWritten."""
    # A program of its own: what looks into a repository is no matter of the control plane.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "beat.files", execution_id],
        env={**os.environ, **settings.environment()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        # Ctrl-C ends the waiting, not the writing.
        start_new_session=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise FilesNotWritten(
            f"The files in .conductor/ could not be written: {said[-1].rstrip('.')}. Mend that, "
            "and write them with `conductor files`."
        )
    return Path(done.stdout.strip())
