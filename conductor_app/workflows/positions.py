"""YAML as plain data that remembers where each part stands; safe against hostile documents.

Built from the parser's events: no object is ever constructed from a tag, and size, depth and the
growth that aliases cause are bounded. Plain scalars are those of YAML 1.2, so `on` and `yes` are
words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

MAX_BYTES = 4_000_000
MAX_DEPTH = 40
MAX_PARTS = 500_000

Loc = tuple[str | int, ...]

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
# Longer digits stay text: nothing in a template counts that far.
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,2})?")


@dataclass(frozen=True)
class Position:
    """Line and column, both from 1."""

    line: int
    column: int


class Unreadable(Exception):
    """The text is not YAML that a template may use."""

    def __init__(self, message: str, position: Position) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass
class Document:
    """Plain data with the position of every part, by the path of keys and indices to it."""

    data: Any = None
    positions: dict[Loc, Position] = field(default_factory=dict)
    duplicates: list[tuple[str, Position]] = field(default_factory=list)

    def position(self, loc: Loc) -> Position:
        """Where the key of a part stands, or the part itself in a list or behind an alias."""
        known: Loc = ()
        for part in loc:
            if (*known, part) not in self.positions:
                break
            known = (*known, part)
        return self.positions[known]


def read(text: str) -> Document:
    """The one YAML document in a text; raises Unreadable."""
    if len(text.encode()) > MAX_BYTES:
        raise Unreadable(f"the template is larger than {MAX_BYTES:,} bytes", Position(1, 1))
    try:
        return _Builder(yaml.parse(text, Loader=_PARSER)).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(_in_words(error), _position(mark)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        column = error.position - text.rfind("\n", 0, error.position)
        sentence = "a character that YAML does not allow: " + str(error.reason)
        raise Unreadable(sentence, Position(line + 1, column)) from error


class _Builder:
    """One pass over the parser's events."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self.events = events
        self.document = Document(positions={(): Position(1, 1)})
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.parts = 0

    def build(self) -> Document:
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if self.parts:
                    _refuse("a template is one YAML document; this starts a second", event)
                self.document.data = self._value(next(self.events), (), 0)
        return self.document

    def _value(self, event: Any, loc: Loc, depth: int) -> Any:
        self.document.positions.setdefault(loc, _position(event.start_mark))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_DEPTH:
            _refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        before = self.parts
        self._count(1, event)
        if event.tag not in (None, "!"):
            _refuse(f"tags such as `{event.tag}` are not used in templates", event)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event.value) if event.implicit[0] else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(loc, depth)
        else:
            value = self._mapping(loc, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.parts - before)
        return value

    def _sequence(self, loc: Loc, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*loc, len(items)), depth + 1))
        return items

    def _mapping(self, loc: Loc, depth: int) -> dict[str | int, Any]:
        found: dict[str | int, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = _key(event)
            place = _position(event.start_mark)
            if key in found:
                self.document.duplicates.append((str(key), place))
            self.document.positions[(*loc, key)] = place
            found[key] = self._value(next(self.events), (*loc, key), depth + 1)
        return found

    def _alias(self, event: yaml.AliasEvent) -> Any:
        if event.anchor not in self.anchors:
            _refuse(
                f"`*{event.anchor}` has no anchor `&{event.anchor}` that ended before it", event
            )
        value, parts = self.anchors[event.anchor]
        self._count(parts, event)
        return value

    def _count(self, parts: int, event: yaml.Event) -> None:
        self.parts += parts
        if self.parts > MAX_PARTS:
            _refuse(f"more than {MAX_PARTS:,} parts, aliases written out", event)


def _key(event: yaml.Event) -> str | int:
    if isinstance(event, yaml.ScalarEvent) and event.value == "<<":
        _refuse("merge keys (`<<`) are not used in templates; give the whole value an alias", event)
    value = _scalar(event.value) if isinstance(event, yaml.ScalarEvent) else None
    if isinstance(event, yaml.ScalarEvent) and not event.implicit[0]:
        return str(event.value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        _refuse("a key is a word or a whole number", event)
    return value


def _scalar(text: str) -> str | int | float | bool | None:
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _position(mark: Any) -> Position:
    return Position(1, 1) if mark is None else Position(mark.line + 1, mark.column + 1)


def _in_words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it can't be parsed"
    if "\\t" in problem:
        return "a tab where YAML allows only spaces"
    if "mapping values are not allowed" in problem:
        return f"{problem}; a text that has `: ` in it needs quotes"
    return f"{error.context}: {problem}" if error.context else problem


def _refuse(message: str, event: yaml.Event) -> NoReturn:
    raise Unreadable(message, _position(event.start_mark))
