"""What every command has: `--json`, `--project`, `--debug`, an example, settings, output."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from conductor_app.cli.output import Output

if TYPE_CHECKING:
    from conductor_app.settings import Settings


@dataclass
class Invocation:
    """One call of `conductor`; the options fill it in while the command line is parsed."""

    json: bool = False
    debug: bool = False
    project: str | None = None

    @cached_property
    def output(self) -> Output:
        return Output(as_json=self.json)

    @cached_property
    def settings(self) -> "Settings":
        return self.settings_with()

    def settings_with(self, **chosen: Any) -> "Settings":
        """The environment's settings and what options chose (not None). Raises InvalidSettings."""
        from conductor_app.settings import Settings
        from conductor_app.settings_review import usable

        chosen = {name: value for name, value in chosen.items() if value is not None}
        return usable(Settings.load(**chosen))


def command(
    name: str, *, example: str, **attributes: Any
) -> Callable[[Callable[..., None]], click.Command]:
    """A command with the common options; its function gets the Invocation as first argument."""

    def decorate(function: Callable[..., None]) -> click.Command:
        with_options: Callable[..., Any] = click.pass_obj(function)
        for option in reversed(COMMON_OPTIONS):
            with_options = option(with_options)
        epilog = f"\b\nExample:\n  {example}"
        return click.command(name, click.Command, epilog=epilog, **attributes)(with_options)

    return decorate


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Put an option's value into the Invocation, wherever on the command line it stood."""
    # A variable of a script that is empty is a mistake to be told, not an option left out.
    if value not in (None, False):
        setattr(context.ensure_object(Invocation), str(parameter.name), value)


def _kept(*names: str, **attributes: Any) -> Callable[..., Any]:
    return click.option(*names, expose_value=False, is_eager=True, callback=_keep, **attributes)


DEBUG_OPTION = _kept("--debug", is_flag=True, help="Show the traceback of an error.")
COMMON_OPTIONS = (
    _kept(
        "--project",
        metavar="DIR|URL",
        help="The project's repository; else the nearest one with .conductor/conductor.yml.",
    ),
    _kept("--json", is_flag=True, help="Print one JSON object for programs."),
    DEBUG_OPTION,
)
