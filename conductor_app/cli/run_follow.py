"""Shows a run while it goes on: a live picture on a terminal, else a line for each thing."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Row

from conductor_app.cli.output import Output
from conductor_app.cli.run_watch import Watch
from conductor_app.cli.times import clock
from conductor_app.cli.words import Sentence


def follow(watch: Watch, output: Output) -> Row[Any]:
    """Show what happens until the execution rests; its row then."""
    if output.as_json or not output.console.is_terminal:
        return _in_lines(watch, teller(output))
    return _live(watch, output)


def teller(output: Output) -> Callable[[str], None]:
    """Where lines about the progress go: programs get their JSON alone on standard output."""
    return output.note if output.as_json else output.say


def _in_lines(watch: Watch, write: Callable[[str], None]) -> Row[Any]:
    for step in watch.steps():
        for sentence in step.news:
            write(_with_time(sentence))
    return step.execution


def _live(watch: Watch, output: Output) -> Row[Any]:
    from conductor_app.cli.run_live import LiveDisplay

    with LiveDisplay(output.console) as display:
        for step in watch.steps():
            display.show(step.picture)
            for sentence in step.news:
                display.tell(sentence)
    return step.execution


def _with_time(sentence: Sentence) -> str:
    return f"{clock(sentence.at)} {sentence}"
