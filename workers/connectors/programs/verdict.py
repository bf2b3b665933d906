"""How a program's attempt ended, in the words of attempts: every bad end has its kind."""

from collections.abc import Callable

from conductor_app.programs import Program
from workers.connectors.programs.last_words import last_words, short, tail
from workers.connectors.programs.report import Report
from workers.failures import AttemptFailed, FailureKind
from workers.sandbox import CommandResult

NOT_FOUND, NOT_EXECUTABLE = 127, 126
# What ended a program that printed more than any attempt has to say.
FLOODED = "flood"
_ITS_OWN_ADVICE = {
    FailureKind.TOOL_LIMIT: "Make the task smaller, or raise `max_turns` in the settings.",
    FailureKind.BUDGET_EXHAUSTED: "Raise `max_usd` in the settings, or make the task smaller.",
    FailureKind.CREDENTIALS: "Correct the key that it uses.",
    FailureKind.API_LIMIT: "It is tried again later.",
    FailureKind.BAD_REQUEST: "Check the model's name in the settings.",
}
_LASTING = (FailureKind.CREDENTIALS, FailureKind.SPEND_LIMIT, FailureKind.BAD_REQUEST)


def failure(
    program: Program,
    result: CommandResult,
    report: Report,
    gateway_failure: AttemptFailed | None,
    changed: Callable[[], bool],
) -> AttemptFailed | None:
    """Why the attempt failed; None when it didn't, as far as the program itself can tell.

    `gateway_failure` is why the model gateway's last call came to nothing: it knows better than
    the program. `changed` says whether the program has changed any file.
    """
    return (
        _ended_by_force(program, result, gateway_failure)
        or _complained(program, result, report, gateway_failure)
        or _ended_badly(program, result, report)
        or _useless(program, result, report, gateway_failure, changed)
    )


def _ended_by_force(
    program: Program, result: CommandResult, gateway_failure: AttemptFailed | None
) -> AttemptFailed | None:
    name = program.name
    if result.killed_by == "cancelled":
        return AttemptFailed(
            FailureKind.CANCELLED,
            f"{name} was told to stop: its task was cancelled, or its worker is to end.",
        )
    if result.timed_out:
        if gateway_failure is not None:
            return gateway_failure
        return AttemptFailed(
            FailureKind.TIMEOUT,
            f"{name} was not done after {result.duration:.0f} s, the task's timeout, and was "
            "ended. Give the task more time, or make it smaller.",
            detail=tail(result),
        )
    if result.killed_by == FLOODED:
        return AttemptFailed(
            FailureKind.UNREADABLE,
            f"{name} printed without end and was ended. The attempt's log shows how it began; "
            "make the task smaller, or try another program.",
            detail=tail(result),
        )
    if result.killed_by is not None:
        return AttemptFailed(
            FailureKind.AGENT_ERROR,
            f"{name} was killed ({result.killed_by}): by the sandbox if it used more than it may, "
            "by the machine, or by itself. Make the task smaller, or see the output for what it "
            "started.",
            detail=tail(result),
        )
    return None


def _complained(
    program: Program,
    result: CommandResult,
    report: Report,
    gateway_failure: AttemptFailed | None,
) -> AttemptFailed | None:
    failed = report.complaint is not None or result.exit_code != 0 or not report.ended
    if failed and gateway_failure is not None:
        return gateway_failure
    if report.complaint is None:
        return None
    kind, said = report.complaint.kind, report.complaint.message
    advice = _ITS_OWN_ADVICE.get(kind, "The attempt's log shows what it did.")
    return AttemptFailed(
        kind,
        f"{program.name} ended with an error: {short(said)} {advice}",
        retryable=kind not in _LASTING,
        detail=tail(result),
    )


def _ended_badly(program: Program, result: CommandResult, report: Report) -> AttemptFailed | None:
    if result.exit_code == NOT_FOUND:
        return AttemptFailed(
            FailureKind.NOT_INSTALLED,
            f"{program.name} ended with exit code {NOT_FOUND}, as when a program that it starts is "
            f"not installed: {last_words(result, 1) or 'it printed nothing.'} Install what it "
            "needs where the workers run, or correct `argv` in the connector's settings.",
            retryable=False,
            detail=tail(result),
        )
    if result.exit_code == NOT_EXECUTABLE:
        return AttemptFailed(
            FailureKind.NOT_INSTALLED,
            f"{result.argv[0]} may not be executed. Give it the right to be, or install it again.",
            retryable=False,
            detail=tail(result),
        )
    if result.exit_code != 0:
        return AttemptFailed(
            FailureKind.AGENT_ERROR,
            f"{program.name} ended with exit code {result.exit_code}: "
            f"{last_words(result, 1) or 'it printed nothing.'} "
            "The attempt's log shows what it did.",
            detail=tail(result),
        )
    if not report.ended:
        return _unheard(program, result, report)
    if report.garbled:
        return AttemptFailed(
            FailureKind.UNREADABLE,
            f"{program.name} printed {report.strange} lines of what is no text, so what it says "
            "of its work can't be read. Run it by hand, as `argv` in the settings has it, to see "
            "what it prints; it has to be UTF-8.",
        )
    return None


def _unheard(program: Program, result: CommandResult, report: Report) -> AttemptFailed:
    """Ended well, but without the word for it of what it is expected to speak."""
    strange = f"printed {report.strange} lines that can't be understood and " * (report.strange > 0)
    said = last_words(result)
    advice = (
        # Agents of the protocol have no parser; a program with this one is heard in any case.
        "Check that it speaks the Agent Client Protocol: its `argv` may lack a word for that."
        if program.parser == "plain"
        else f"Check that its version prints what the `{program.parser}` parser reads, or choose "
        "another `parser` in the settings."
    )
    return AttemptFailed(
        FailureKind.UNREADABLE,
        f"{program.name} {strange}never said that it was done."
        f"{said and f' Its last words: {said}'} {advice}",
        detail=tail(result),
    )


def _useless(
    program: Program,
    result: CommandResult,
    report: Report,
    gateway_failure: AttemptFailed | None,
    changed: Callable[[], bool],
) -> AttemptFailed | None:
    """Ended well, but with nothing to show for it."""
    # Some take the half of an answer that they got for the whole.
    cut_short = gateway_failure is not None and gateway_failure.retryable
    if report.summary.strip() and not report.denied and not cut_short:
        return None
    if changed():
        return None
    if cut_short:
        return gateway_failure
    if report.denied:
        names = ", ".join(sorted(set(report.denied)))
        return AttemptFailed(
            FailureKind.DENIED,
            f"{program.name} was not allowed to use {names}, and changed nothing. "
            "Allow what it needs in its `argv`, or choose another `permission_mode`.",
            retryable=False,
            detail=tail(result),
        )
    said = last_words(result)
    return AttemptFailed(
        FailureKind.NO_RESULT,
        f"{program.name} ended as if all were well, but gave no answer and changed nothing. Its "
        f"last words: {said} Mend what they name, or make the task's prompt clearer."
        if said
        else f"{program.name} ended without a word and changed nothing. "
        "Make the task's prompt clearer, or try another model.",
        detail=tail(result),
    )
