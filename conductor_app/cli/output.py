"""What a command prints: sentences and tables for people, one JSON object for programs."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from conductor_app import masking
from conductor_app.errors import ConductorError
from conductor_app.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_FOR_PROGRAMS = 240


class Output:
    """The output of one command. With `as_json` only `result` and `error` reach standard output."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    @cached_property
    def console(self) -> "Console":
        """Rich output, for what is more than sentences; imported late because it is slow."""
        from rich.console import Console

        # Other programs read lines, not columns of a screen.
        width = None if sys.stdout.isatty() else WIDTH_FOR_PROGRAMS
        return Console(highlight=False, markup=False, quiet=self.as_json, width=width)

    def say(self, text: str = "") -> None:
        if not self.as_json:
            click.echo(printable(text))

    def note(self, text: str) -> None:
        """What should be known but is not the result, on standard error."""
        click.echo(printable(text), err=True)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        dispensable: Sequence[str] = (),
    ) -> None:
        """Where a terminal is too narrow, the `dispensable` columns are left out, in this order."""
        from rich.table import Table

        from conductor_app.cli.columns import fit

        cells = {
            title: [title, *("" if row[n] is None else printable(str(row[n])) for row in rows)]
            for n, title in enumerate(columns)
        }
        widths = fit(cells, dispensable, self.console.width)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, (title, width) in enumerate(widths.items()):
            # The first one names the row: a name is known by how it begins.
            table.add_column(title, width=width, overflow="fold" if number else "ellipsis")
        for row in zip(*(cells[title][1:] for title in widths), strict=True):
            table.add_row(*row)
        self.console.print(table)
        if missing := [title for title in columns if title not in widths]:
            self.say(f"The terminal is too narrow for {', '.join(missing)}; `--json` has it all.")

    def result(self, data: Any, message: str = "") -> None:
        """What the command found or did, in the shape of the API's answers. Silent for people."""
        if self.as_json:
            self._write({"success": True, "message": message, "data": data})

    def error(self, error: ConductorError) -> None:
        """The sentence for people, always; for programs also the API's error shape."""
        message = masking.words(error.message)
        click.echo(printable(message), err=True)
        if self.as_json:
            details = masking.within(error.details)
            told = {"code": error.code, "message": message, "details": details}
            self._write({"success": False, "error": told})

    @contextmanager
    def working(self, sentence: str) -> Iterator[Callable[[str], None]]:
        """A moving line while something takes long; on a terminal only. Yields what changes it."""
        if self.as_json or not sys.stdout.isatty():
            yield lambda _: None
            return
        with self.console.status(sentence) as status:
            yield status.update

    def _write(self, answer: dict[str, Any]) -> None:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False, default=str))
