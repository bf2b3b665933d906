"""Which function performs which tool of `conductor_app.tool_specs`."""

from collections.abc import Callable, Mapping
from typing import Any

from workers.tools.command import run_command
from workers.tools.files import edit_file, list_dir, read_file, write_file
from workers.tools.search import search
from workers.tools.workplace import Answer, Workplace

Performer = Callable[[dict[str, Any], Workplace], Answer]

# `finish` is not here: it does nothing but end the loop.
PERFORMERS: Mapping[str, Performer] = {
    "list_dir": list_dir,
    "read_file": read_file,
    "search": search,
    "edit_file": edit_file,
    "write_file": write_file,
    "run_command": run_command,
}
