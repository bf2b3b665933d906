"""What a run is asked to do: the words of the command line as an order, or why it is refused."""

from collections.abc import Sequence
from pathlib import Path

from conductor_app import launch
from conductor_app.domain.priority import MOST_WEIGHT, WEIGHTS
from conductor_app.errors import InvalidInput
from conductor_app.launch import DEFAULT_WORKFLOW, Order
from conductor_app.settings import Settings
from conductor_app.stack import embedded
from conductor_app.workflows import loader


def settle(
    settings: Settings,
    workflow: str | None = None,
    inputs: Sequence[str] = (),
    *,
    connector: str | None = None,
    start: int = 0,
    priority: str | None = None,
) -> Order:
    """The order for the API, of a file or a built-in workflow. What it leaves open the API chooses.

    Raises NotFound, InvalidWorkflow, InvalidInput: what the API would refuse, it refuses here,
    before anything is started for it.
    """
    name = workflow or DEFAULT_WORKFLOW
    loaded = loader.load(name)
    built_in = name in loader.builtin_names() and not Path(name).is_file()
    order = Order(
        workflow=name,
        template=None if built_in else loaded.text,
        inputs=_pairs(inputs),
        connector=connector,
        priority=_priority(priority or "normal"),
        replay_before=start,
    )
    launch.choose(loaded.workflow, order, settings)
    # What runs already may have keys that this shell has not.
    if start == 0 and embedded.find(settings.home) is None:
        launch.require_ready(loaded.workflow, order, settings)
    return order


def _pairs(inputs: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for each in inputs:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise InvalidInput(
                f"--input {each}: write it as name=value, as in --input title=Wishes."
            )
        pairs[name] = value
    return pairs


def _priority(text: str) -> str | int:
    if text in WEIGHTS:
        return text
    if text.isdecimal() and 1 <= int(text) <= MOST_WEIGHT:
        return int(text)
    names = ", ".join(WEIGHTS)
    raise InvalidInput(f"--priority {text}: choose {names}, or a number from 1 to {MOST_WEIGHT}.")
