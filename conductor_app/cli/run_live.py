"""The live picture of a run on a terminal, below the lines that tell what happened."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy import Row

from conductor_app.cli.run_picture import Picture
from conductor_app.cli.words import ICONS, Sentence
from conductor_app.printable import printable
from conductor_app.views.units import duration

BAR_WIDTH = 32


class LiveDisplay:
    """Shows news as lines that stay, and under them the picture, which changes in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "LiveDisplay":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, sentence: Sentence) -> None:
        self._live.console.print(Text(printable(str(sentence)), overflow="fold"))

    def show(self, picture: Picture) -> None:
        self._live.update(drawn(picture))


def drawn(picture: Picture) -> RenderableType:
    return Group(Text(), *_phases(picture), Text(), _at_work(picture), _progress(picture))


def _phases(picture: Picture) -> Iterator[Text]:
    known = picture.figures
    for phase in known.phases:
        yield Text(f"{ICONS[phase.status]} Phase {phase.number}  {phase.name}", style="bold")
        if phase.number != known.execution.current_phase:
            continue
        for milestone in known.milestones:
            if milestone.phase == phase.number:
                yield Text(f"   {ICONS[milestone.status]} {milestone.name}")


def _at_work(picture: Picture) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for task in picture.at_work:
        table.add_row(f"   agent-{task.agent}", task.key, task.title, _since(picture, task))
    return table


def _since(picture: Picture, task: Row[Any]) -> str:
    if task.status == "integrating":
        return "integrating"
    return duration((picture.now - task.started_at) / 1000) if task.started_at else ""


def _progress(picture: Picture) -> Table:
    left = picture.seconds_left
    table = Table.grid(padding=(0, 1))
    table.add_row(
        ProgressBar(completed=picture.figures.overall * 100, width=BAR_WIDTH),
        f"{picture.done} of {picture.total} tasks",
        f"· {duration(picture.elapsed_seconds)} so far",
        f"· about {duration(left)} left" if left is not None else "",
    )
    return table
