"""The transcript of an attempt: JSON Lines, turns and results in a recording's words."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workers import artifacts
from workers.connectors.base import ToolResult, Turn

FILE_NAME = "transcript.jsonl"


class Transcript:
    """Appends whole turns to `transcript.jsonl` in the attempt's artifacts."""

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        self._file = folder / FILE_NAME
        self._append([{"type": "transcript", **header}])

    def turn(self, turn: Turn, results: Sequence[ToolResult]) -> None:
        usage = asdict(turn.usage)
        calls = [asdict(call) for call in turn.tool_calls]
        said = {"type": "turn", "text": turn.text, "tool_calls": calls}
        self._append(
            [{**said, "usage": usage, "model": turn.model}, *(_result(each) for each in results)]
        )

    def end(self, outcome: str, words: str) -> None:
        self._append([{"type": "end", "outcome": outcome, "message": words}])

    def _append(self, entries: list[dict[str, Any]]) -> None:
        artifacts.append(
            self._file, "".join(json.dumps(entry, default=str) + "\n" for entry in entries)
        )


def _result(result: ToolResult) -> dict[str, Any]:
    return {
        "type": "result",
        "id": result.call_id,
        "ok": result.ok,
        "exit_code": result.exit_code,
        "seconds": round(result.seconds, 3),
        "output": result.output,
        "kept": result.kept.name if result.kept else None,
    }
