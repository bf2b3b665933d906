"""The transcript of an attempt: JSON Lines in a recording's words, enough to go on from.

A turn stands there before its tools run and its results after that, so whatever kills the worker,
the file says which turns are whole, and whether more has been begun that may have changed files.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conductor_app import masking
from workers import artifacts
from workers.turns import Message, ToolResult, Turn

FILE_NAME = "transcript.jsonl"
_OF_THE_ATTEMPT = ("transcript", "end")


class Transcript:
    """Appends to `transcript.jsonl` in the attempt's artifacts."""

    def __init__(
        self, folder: Path, header: dict[str, Any], before: Sequence[dict[str, Any]] = ()
    ) -> None:
        """`before`: the lines of the attempt that this one goes on with."""
        self._file = folder / FILE_NAME
        taken = [line for line in before if line["type"] not in _OF_THE_ATTEMPT]
        self._append([{"type": "transcript", **header}, *taken])

    def opening(self, messages: Sequence[Message]) -> None:
        said = [{"role": each.role, "text": each.text} for each in messages]
        self._append([{"type": "opening", "messages": said}])

    def turn(self, turn: Turn, *, changes: bool) -> None:
        """What the model said; `changes`: its calls may change files."""
        entry: dict[str, Any] = {
            "type": "turn",
            "text": turn.text,
            "tool_calls": [asdict(call) for call in turn.tool_calls],
            "usage": asdict(turn.usage),
            "model": turn.model,
            "changes": changes,
        }
        if turn.stop != "done":
            entry["stop"] = turn.stop
        # What a model has signed goes back to it as it was or not at all.
        if turn.raw is not None and masking.within(turn.raw, masking.data) == turn.raw:
            entry["raw"] = turn.raw
        if turn.request_id is not None:
            entry["request_id"] = turn.request_id
        self._append([entry])

    def results(self, results: Sequence[ToolResult], note: str | None = None) -> None:
        """What came of the turn's calls, and what Conductor says to it."""
        entries = [_result(each) for each in results]
        if note is not None:
            entries.append({"type": "note", "text": note})
        self._append(entries)

    def said(self, text: str) -> None:
        """What Conductor says between two turns."""
        self._append([{"type": "said", "text": text}])

    def compacted(self, target: int) -> None:
        """The conversation was shortened here, to so many tokens."""
        self._append([{"type": "compacted", "target": target}])

    def end(self, outcome: str, words: str, **facts: int | str) -> None:
        """How the attempt ended; facts are of the call that made it end."""
        self._append([{"type": "end", "outcome": outcome, "message": words, **facts}])

    def _append(self, entries: list[dict[str, Any]]) -> None:
        artifacts.append(self._file, entries)


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of a transcript as far as they can be read; none when there is no file."""
    try:
        text = (folder / FILE_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    lines: list[dict[str, Any]] = []
    # What follows the last line's end was cut off when its worker died.
    for line in text.split("\n")[:-1]:
        try:
            entry = json.loads(line)
        except ValueError:
            break
        if not isinstance(entry, dict) or "type" not in entry:
            break
        lines.append(entry)
    return lines


def _result(result: ToolResult) -> dict[str, Any]:
    return {
        "type": "result",
        "id": result.call_id,
        "ok": result.ok,
        "exit_code": result.exit_code,
        "seconds": result.seconds,
        "output": result.output,
        "kept": result.kept.name if result.kept else None,
    }
