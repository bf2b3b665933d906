"""A template's text as a Workflow, or all that is wrong with it, each with line and column."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from conductor_app import catalog
from conductor_app.domain.spelling import closest
from conductor_app.domain.workflow import AgentSpec, Problem, Workflow
from conductor_app.errors import InvalidWorkflow, NotFound
from conductor_app.workflows import salvage, wording
from conductor_app.workflows.positions import Document, Position, Unreadable, read

SUFFIXES = (".yml", ".yaml")


class NoSuchWorkflow(NotFound):
    """There is no workflow file of this name, and none is built in."""

    # Wrong whatever the state of things, as a repository that is not there.
    exit_code = 2


@dataclass(frozen=True)
class LocatedProblem:
    """What is wrong at a line and column (from 1) of a file."""

    severity: Literal["error", "warning"]
    message: str
    file: str
    line: int
    column: int
    suggestion: str | None = None

    def __str__(self) -> str:
        meant = f" (did you mean `{self.suggestion}`?)" if self.suggestion else ""
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.severity}: {self.message}{meant}"


@dataclass(frozen=True)
class Loaded:
    """A valid template; `version` is the SHA-256 of `text`, which is normalised."""

    workflow: Workflow
    text: str
    version: str
    source: Path
    warnings: list[LocatedProblem]


@dataclass(frozen=True)
class Registered:
    """The names that a template may use here; None is not known and judges nothing."""

    agents: Mapping[str, AgentSpec]
    connectors: Collection[str] | None = None
    functions: Collection[str] | None = None
    hooks: Collection[str] | None = None


BUILT_IN = Registered(catalog.AGENTS, catalog.CONNECTORS)


def builtin_names() -> list[str]:
    """The workflows that come with Conductor."""
    return sorted(_builtins())


def load(path_or_name: str | Path, registered: Registered = BUILT_IN) -> Loaded:
    """The workflow in a file, or built in under a name; raises NotFound, InvalidWorkflow."""
    source = locate(path_or_name)
    return _load(_text_of(source), source, registered)


def parse(text: str, source: str | Path, registered: Registered = BUILT_IN) -> Loaded:
    """The same from text; `source` is what problems name as their file; raises InvalidWorkflow."""
    return _load(normalised(text), Path(source), registered)


def check(path_or_name: str | Path, registered: Registered = BUILT_IN) -> list[LocatedProblem]:
    """All errors and warnings, in the order of the text; raises NotFound."""
    source = locate(path_or_name)
    try:
        text = _text_of(source)
    except InvalidWorkflow as error:
        problems: list[LocatedProblem] = error.details["problems"]
        return problems
    return _examine(text, str(source), registered)[1]


@lru_cache(maxsize=64)
def parse_version(version: str, text: str) -> Workflow:
    """The workflow of a version that was valid when it was kept; cached by its hash."""
    try:
        return Workflow.model_validate(read(text).data)
    except (Unreadable, ValidationError) as error:
        raise InvalidWorkflow(
            f"The kept workflow version {version[:12]} can no longer be read: {error}. "
            "It was made by another version of Conductor; start a new execution from its template."
        ) from error


def normalised(text: str) -> str:
    """The text that versions are made of: no byte order mark, plain line ends, one at the end."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return plain.rstrip("\n") + "\n"


def version_of(text: str) -> str:
    """The version of a template's text: SHA-256, in hexadecimal."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()


def locate(path_or_name: str | Path) -> Path:
    """The file that a path or a built-in name stands for; raises NoSuchWorkflow."""
    path = Path(path_or_name)
    if path.is_file():
        return path
    builtins = _builtins()
    name = str(path_or_name)
    if name in builtins:
        return builtins[name]
    near = closest(name, builtins)
    meant = f"Did you mean `{near}`?" if near else f"Built in: {', '.join(builtins) or 'none'}."
    raise NoSuchWorkflow(f"There is no workflow file and no built-in workflow `{name}`. {meant}")


def _builtins() -> dict[str, Path]:
    folder = Path(str(resources.files("conductor_app.workflows")))
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES}


def _text_of(source: Path) -> str:
    try:
        content = source.read_bytes()
    except OSError as error:
        problem = LocatedProblem("error", f"it can't be read: {error.strerror}", str(source), 1, 1)
        raise _invalid(source, [problem]) from error
    try:
        return normalised(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        message = f"the file is not UTF-8 text (byte {error.start})"
        problem = LocatedProblem("error", message, str(source), line, column)
        raise _invalid(source, [problem]) from error


def _load(text: str, source: Path, registered: Registered) -> Loaded:
    workflow, problems = _examine(text, str(source), registered)
    if workflow is None:
        raise _invalid(source, problems)
    return Loaded(workflow, text, version_of(text), source, problems)


def _invalid(source: Path, problems: list[LocatedProblem]) -> InvalidWorkflow:
    errors = [problem for problem in problems if problem.severity == "error"]
    more = f" And {len(errors) - 1} more; `conductor check` lists them." if len(errors) > 1 else ""
    sentence = f"{source.name} is not a valid workflow. {errors[0]}.{more}"
    return InvalidWorkflow(sentence, problems=problems)


def _examine(
    text: str, file: str, registered: Registered
) -> tuple[Workflow | None, list[LocatedProblem]]:
    """The workflow when nothing is an error, and every problem in the order of the text."""
    try:
        document = read(text)
    except Unreadable as error:
        return None, [_located("error", error.message, file, error.position)]
    problems = [
        _located("error", f"`{key}` is written twice in the same mapping", file, position)
        for key, position in document.duplicates
    ]
    workflow, found = _validate(document, registered)
    problems += [
        _located(p.severity, p.message, file, document.position(p.loc), p.suggestion) for p in found
    ]
    problems.sort(key=lambda problem: (problem.line, problem.column))
    valid = all(problem.severity == "warning" for problem in problems)
    return (workflow if valid else None), problems


def _validate(document: Document, registered: Registered) -> tuple[Workflow | None, list[Problem]]:
    if not isinstance(document.data, dict):
        return None, [Problem("error", "a template is a mapping: `name:`, `title:`, `phases:`", ())]
    try:
        workflow = Workflow.model_validate(document.data)
    except ValidationError as error:
        found = wording.problems(error, document.data)
        rest = salvage.without(document.data, error)
        rules = [] if rest is None else _rules(rest, registered)
        return None, found + [problem for problem in rules if problem.severity == "error"]
    return workflow, _rules(workflow, registered)


def _rules(workflow: Workflow, known: Registered) -> list[Problem]:
    return workflow.problems(known.agents, known.connectors, known.functions, known.hooks)


def _located(
    severity: Literal["error", "warning"],
    message: str,
    file: str,
    position: Position,
    suggestion: str | None = None,
) -> LocatedProblem:
    return LocatedProblem(severity, message, file, position.line, position.column, suggestion)
