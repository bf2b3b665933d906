"""Which function performs which tool of `conductor_app.tool_specs`."""

from collections.abc import Callable, Mapping
from typing import Any

from workers.tools.command import run_command
from workers.tools.files import edit_file, list_dir, read_file, write_file
from workers.tools.search import search
from workers.tools.word import remember, report_signal
from workers.tools.workplace import Answer, Workplace

Performer = Callable[[dict[str, Any], Workplace], Answer]

# `finish` and `ask` are not here: one ends the loop, the other's result is a person's answer.
PERFORMERS: Mapping[str, Performer] = {
    "list_dir": list_dir,
    "read_file": read_file,
    "search": search,
    "edit_file": edit_file,
    "write_file": write_file,
    "run_command": run_command,
    "remember": remember,
    "report_signal": report_signal,
}
