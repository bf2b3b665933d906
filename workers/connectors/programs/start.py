"""A program's command line, environment and files, as an attempt needs them."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conductor_app.programs import PLACEHOLDERS, Program
from workers.failures import AttemptFailed, FailureKind

# Linux takes no longer word in a command line than 128 KiB.
LONGEST_WORD = 100_000
# A shell's `${name}` is none.
_PLACEHOLDER = re.compile(r"(?<!\$)\{(" + "|".join(PLACEHOLDERS) + r")\}")
_IN_MODULES = "node_modules"
_HOME = re.compile(r"^home *= *(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Installed:
    """Where a program is, what it needs to be read, and the PATH with its interpreter."""

    file: Path
    readable: tuple[Path, ...]
    path: str


def command_line(program: Program, values: Mapping[str, str | None]) -> list[str]:
    """The words with their placeholders filled in; raises AttemptFailed when one has no value."""
    line: list[str] = []
    for words in program.argv:
        group = (words,) if isinstance(words, str) else words
        missing = [name for word in group for name in _named(word) if values.get(name) is None]
        if not missing:
            line += [_filled(word, values) for word in group]
        elif isinstance(words, str):
            raise AttemptFailed(
                FailureKind.AGENT_ERROR,
                f"The command line of {program.name} needs {{{missing[0]}}}, and none is chosen. "
                f"Choose `{missing[0]}` in the connector's settings, or put the words that need it "
                "in a list of their own, which is left out without it.",
                retryable=False,
            )
    return line


def variables(program: Program, values: Mapping[str, str | None]) -> dict[str, str]:
    """Its environment; keys of its own only where the settings name them. Raises AttemptFailed."""
    filled = {
        name: _filled(value, values)
        for name, value in program.env.items()
        if all(values.get(each) is not None for each in _named(value))
    }
    passed = {name: os.environ[name] for name in program.pass_env if os.environ.get(name)}
    if program.pass_env and not passed:
        raise AttemptFailed(
            FailureKind.CREDENTIALS,
            f"{program.name} needs a key of its own, and none is set. "
            f"Set {' or '.join(program.pass_env)} where the workers run.",
            retryable=False,
        )
    return {**filled, **passed}


def prompt_word(prompt: str, file: Path) -> str:
    """The prompt as one word of a command line; a longer one is read from its file."""
    if len(prompt.encode()) > LONGEST_WORD:
        return f"Read the file {file}, all of it, and do what it asks for."
    # No prompt is to be taken for an option.
    return f" {prompt}" if prompt.startswith("-") else prompt


def find(program: Program) -> Installed:
    """The program where the worker's own PATH has it. Raises AttemptFailed, with how to get it."""
    name = program.argv[0] if isinstance(program.argv[0], str) else program.argv[0][0]
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), beside))
    found = shutil.which(name, path=path)
    if found is None:
        raise missing(program, name)
    file = Path(found)
    real = file.resolve()
    readable = {*_package(real), *_package(file.absolute())}
    folders = [str(file.absolute().parent)]
    if interpreter := _interpreter(real, path):
        readable.add(interpreter.resolve())
        folders.append(str(interpreter.parent))
    return Installed(file.absolute(), tuple(sorted(readable)), os.pathsep.join(folders))


def missing(program: Program, name: str) -> AttemptFailed:
    advice = (
        f"Install it where the workers run: `{program.install}`."
        if program.install
        else ("Install it where the workers run, or correct `argv` in the connector's settings.")
    )
    return AttemptFailed(
        FailureKind.NOT_INSTALLED, f"{name} is not installed. {advice}", retryable=False
    )


def _named(word: str) -> list[str]:
    return _PLACEHOLDER.findall(word)


def _filled(word: str, values: Mapping[str, str | None]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]] or "", word)


def _package(file: Path) -> list[Path]:
    """What belongs to a program: its npm packages, its virtual environment, else its file."""
    if _IN_MODULES in file.parts:
        return [Path(*file.parts[: file.parts.index(_IN_MODULES) + 1])]
    environment = file.parent.parent
    configuration = environment / "pyvenv.cfg"
    if not configuration.exists():
        return [file]
    # Its library is that of the interpreter which it was made with.
    home = _HOME.search(configuration.read_text("utf-8", "replace"))
    return [environment, *([Path(home[1]).resolve().parent] if home else [])]


def _interpreter(script: Path, path: str) -> Path | None:
    """The program that a script's first line names; None where the kernel runs the file itself."""
    with script.open("rb") as file:
        first = file.readline(256)
    words = first.removeprefix(b"#!").decode("utf-8", "replace").split()
    if not first.startswith(b"#!") or not words:
        return None
    if Path(words[0]).name != "env" or len(words) == 1:
        return Path(words[0])
    found = shutil.which(words[-1], path=path)
    return Path(found) if found else None
