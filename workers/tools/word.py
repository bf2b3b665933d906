"""Tools that leave word for people: a lesson proposed, a signal told."""

from typing import Any

from conductor_app.domain.signals import SignalType
from workers.tools.workplace import Answer, Desk, ToolFault, Workplace


def remember(arguments: dict[str, Any], place: Workplace) -> Answer:
    lesson, action = arguments["lesson"], arguments.get("action", "")
    _desk(place).remember(arguments.get("category", "pattern"), lesson, action)
    return Answer("Proposed; it counts once a person has accepted it. Go on.")


def report_signal(arguments: dict[str, Any], place: Workplace) -> Answer:
    type_ = SignalType(arguments["type"])
    _desk(place).signal(type_, arguments["title"], arguments.get("detail", ""))
    return Answer("Told. Go on.")


def _desk(place: Workplace) -> Desk:
    if place.desk is None:
        raise ToolFault("Nobody would read it here. Go on without.")
    return place.desk
