"""Checks of kind `file`: files of the commit, by path or glob, and what stands in them."""

import glob
import re
from pathlib import Path

from conductor_app.domain.workflow import FileCheck
from workers.bench import Bench
from workers.checks.result import Outcome
from workers.confinement import inside

# Enough to explain a failure; the whole list would bury it.
SHOWN = 20


def file(check: FileCheck, bench: Bench) -> Outcome:
    found = matching(bench.checkout, check.path)
    names = [str(path.relative_to(bench.checkout)) for path in found]
    evidence = {"path": check.path, "files": names[:SHOWN], "count": len(names)}
    if check.absent:
        message = f"{check.path} must not be there, found {', '.join(names[:SHOWN])}"
        absent = f"{check.path} is not there, as it must be"
        return Outcome(not names, message if names else absent, evidence)
    if not names:
        return Outcome(False, f"{check.path} is not in the commit", evidence)
    wrong = [problem for path in found for problem in _problems(check, bench.checkout, path)]
    return Outcome(
        not wrong,
        "; ".join(wrong[:SHOWN]) or f"{check.path}: {_files(len(names))} as expected",
        evidence,
    )


def matching(checkout: Path, pattern: str) -> list[Path]:
    """The files of the checkout that a path or glob names; never one of git's own."""
    names = glob.glob(pattern, root_dir=checkout, recursive=True, include_hidden=True)
    return [
        checkout / name
        for name in sorted(names)
        if Path(name).parts[0] != ".git" and inside(checkout, name).is_file()
    ]


def _problems(check: FileCheck, checkout: Path, path: Path) -> list[str]:
    content = inside(checkout, path).read_bytes()
    name = path.relative_to(checkout)
    found = []
    if len(content) < check.min_bytes:
        found.append(f"{name} has {len(content)} bytes, not at least {check.min_bytes}")
    text = content.decode(errors="replace")
    found += [
        f"{name} has nothing that matches /{pattern}/"
        for pattern in check.contains
        if not re.search(pattern, text, re.MULTILINE)
    ]
    return found


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
