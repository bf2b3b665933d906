"""The tools an agent may call, as models are told of them; `workers.tools` performs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conductor_app.domain.signals import SignalType

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class ToolSpec:
    """What every connector tells a model about a tool."""

    name: str
    description: str
    schema: Schema
    # Changes nothing, so calls next to each other may run at the same time.
    read_only: bool = False
    # Works on the attempt's worktree, so a task without files isn't offered it.
    needs_files: bool = True
    # Leaves word for people, so without somebody who would read it nobody is offered it.
    needs_desk: bool = False


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _number(description: str, **more: Any) -> Schema:
    return {"type": "integer", "description": description, **more}


def _arguments(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


_PATH = _text("Path relative to the root of the worktree, such as src/app.py.", minLength=1)

_SPECS = (
    ToolSpec(
        "list_dir",
        "List the entries of a directory. Directories end with a slash, links show their target.",
        _arguments(
            {"path": _text("Directory relative to the root of the worktree; . is the root.")}
        ),
        read_only=True,
    ),
    ToolSpec(
        "read_file",
        "Read a text file, or some of its lines.",
        _arguments(
            {"path": _PATH},
            start=_number("First line to read, counted from 1.", minimum=1),
            end=_number("Last line to read, itself included.", minimum=1),
        ),
        read_only=True,
    ),
    ToolSpec(
        "search",
        "Search text files, line by line, with a Python regular expression.",
        _arguments(
            {"pattern": _text("The regular expression.", minLength=1, maxLength=1000)},
            path=_text("File or directory to search; the whole worktree when left out."),
            glob=_text("Only files whose name or path matches, such as *.py or src/**/*.py."),
        ),
        read_only=True,
    ),
    ToolSpec(
        "edit_file",
        "Replace an exact piece of a text file. It must occur once, unless replace_all is true.",
        _arguments(
            {
                "path": _PATH,
                "old": _text("The text to replace, exactly as in the file.", minLength=1),
                "new": _text("The text to put in its place."),
            },
            replace_all={"type": "boolean", "description": "Replace every occurrence."},
        ),
    ),
    ToolSpec(
        "write_file",
        "Create a file or replace the whole of it. Missing directories are created.",
        _arguments({"path": _PATH, "content": _text("The whole new content.")}),
    ),
    ToolSpec(
        "run_command",
        "Run a shell command in the worktree, confined, without input. "
        "Returns its exit code, duration, and standard output and error together.",
        _arguments(
            {"command": _text("The command line for /bin/sh.", minLength=1)},
            timeout=_number(
                "Seconds until it is stopped; 120 when left out.", minimum=1, maximum=600
            ),
        ),
    ),
    ToolSpec(
        "ask",
        "Ask a person to decide what you can't: the task then waits, maybe for hours, and goes on "
        "with the answer. One question at a time, and none whose answer the files hold.",
        _arguments(
            {"question": _text("The question, with what one must know.", minLength=1)},
            options={
                "type": "array",
                "items": {"type": "string"},
                "description": "The possible answers; left out, people answer in their own words.",
                "maxItems": 10,
            },
        ),
        needs_files=False,
        needs_desk=True,
    ),
    ToolSpec(
        "remember",
        "Propose a lesson for later tasks of this project; a person reads it before it counts.",
        _arguments(
            {"lesson": _text("What was learnt, in a sentence.", minLength=1, maxLength=2000)},
            action=_text("What to do because of it.", maxLength=2000),
            category=_text(
                "pattern when left out.", enum=["success", "failure", "optimization", "pattern"]
            ),
        ),
        needs_files=False,
        needs_desk=True,
    ),
    ToolSpec(
        "report_signal",
        "Tell people of something that this task does not settle, and go on.",
        _arguments(
            {
                "type": _text(
                    "What kind of thing it is.", enum=[each.value for each in SignalType]
                ),
                "title": _text("What it is, in a sentence.", minLength=1, maxLength=500),
            },
            detail=_text("What one must know of it.", maxLength=10_000),
        ),
        needs_files=False,
        needs_desk=True,
    ),
    ToolSpec(
        "finish",
        "Say that the task is done, or can't be done. Conductor then runs the checks itself.",
        _arguments(
            {"summary": _text("What was done, or why it can't be done.", minLength=1)},
            status=_text("done when left out.", enum=["done", "failed"]),
        ),
        needs_files=False,
    ),
)

TOOLS: Mapping[str, ToolSpec] = {spec.name: spec for spec in _SPECS}
