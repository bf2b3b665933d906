"""Checks of kind `python`: a registered function, or the project's own in a child process."""

import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conductor_app import masking
from conductor_app.domain.workflow import PythonCheck
from conductor_app.errors import ConductorError
from workers.bench import Bench, RegisteredCheck
from workers.checks import docker
from workers.checks.command import LOG_TAIL, ending, evidence
from workers.checks.python_child import MARKER
from workers.checks.result import Outcome
from workers.confinement import inside
from workers.extensions import BrokenExtension, UnknownExtension
from workers.means import MeansAbsent
from workers.sandbox import CommandResult

# Given to the child as text: as a script it would have this folder, and its `http`, on its path.
CHILD = Path(__file__).with_name("python_child.py")
BUILT_IN: Mapping[str, RegisteredCheck] = {"docker.services": docker.services}
RULE = "return true or false, or {passed, message, evidence}"


def python(check: PythonCheck, bench: Bench) -> Outcome:
    path, separator, function = check.function.rpartition(":")
    if separator and path.endswith(".py"):
        return _project_function(check, bench, path, function)
    return _registered_function(check, bench)


def read_answer(answer: Any) -> Outcome:
    """What a function answered, as an outcome; anything that is not clearly a pass has failed."""
    if isinstance(answer, Outcome):
        return answer
    if isinstance(answer, bool):
        return Outcome(answer, "the function returned " + str(answer).lower())
    if isinstance(answer, dict) and isinstance(answer.get("passed"), bool):
        kept = answer.get("evidence")
        message = str(answer.get("message") or ("passed" if answer["passed"] else "failed"))
        return Outcome(answer["passed"], message, kept if isinstance(kept, dict) else {})
    return Outcome(False, f"the function returned {str(answer)[:200]!r}; it must {RULE}")


def _registered_function(check: PythonCheck, bench: Bench) -> Outcome:
    """Runs in this process: it is installed code, not the project's."""
    try:
        function = BUILT_IN.get(check.function) or bench.registry.find(check.function)
    except (UnknownExtension, BrokenExtension) as error:
        raise MeansAbsent(error.message) from error
    try:
        return read_answer(function(bench, **check.arguments))
    except ConductorError:
        raise
    except Exception as error:
        # Whatever the function raises is its verdict: the check failed, and the log says where.
        log = traceback.format_exc()
        kept = {
            "log": masking.tail(log, LOG_TAIL),
            "log_path": str(bench.write_log(check.name, log)),
        }
        return Outcome(False, f"{check.function} raised {type(error).__name__}: {error}", kept)


def _project_function(check: PythonCheck, bench: Bench, path: str, function: str) -> Outcome:
    file = inside(bench.checkout, path)
    if not file.is_file():
        return Outcome(False, f"{path} is not in the commit, so {function} can't be called")
    arguments = json.dumps(check.arguments)
    argv = ["python", "-c", CHILD.read_text(), str(bench.checkout), str(file), function, arguments]
    result = bench.run(argv, check)
    outcome = _answered(check, result)
    kept = evidence(f"{check.function}(checkout, **{arguments})", result, check, bench)
    return Outcome(outcome.passed, outcome.message, outcome.evidence | kept)


def _answered(check: PythonCheck, result: CommandResult) -> Outcome:
    if result.timed_out:
        return Outcome(False, f"{check.function} took longer than {check.timeout:g} s")
    _, marker, answer = result.output.rpartition(MARKER)
    if not marker or result.exit_code != 0:
        return Outcome(False, f"{check.function} gave no answer: it ended with {ending(result)}")
    try:
        return read_answer(json.loads(answer.split("\n", 1)[0]))
    except (ValueError, RecursionError) as error:
        return Outcome(False, f"{check.function} gave an answer that can't be read: {error}")
