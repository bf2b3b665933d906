"""The child interpreter's program: calls one function of the project, prints its answer as JSON."""

import importlib.util
import json
import sys
import traceback
from pathlib import Path
from typing import Any

MARKER = "conductor-check-answer: "


def main() -> None:
    """argv: checkout, file, function, arguments as JSON. What the function prints is its log."""
    checkout, file, function, arguments = sys.argv[1:5]
    answers, sys.stdout = sys.stdout, sys.stderr
    sys.path.insert(0, checkout)
    try:
        answer = json.dumps(call(Path(checkout), file, function, json.loads(arguments)))
    except Exception as error:
        traceback.print_exc()
        answer = json.dumps({"passed": False, "message": f"{type(error).__name__}: {error}"})
    sys.stderr.flush()
    answers.write(f"\n{MARKER}{answer}\n")
    answers.flush()


def call(checkout: Path, file: str, function: str, arguments: dict[str, Any]) -> Any:
    spec = importlib.util.spec_from_file_location("conductor_project_check", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return getattr(module, function)(checkout, **arguments)


if __name__ == "__main__":
    main()
