"""Performs a turn's tool calls: exactly one result for each, whatever happens."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import groupby

from conductor_app import masking
from conductor_app.domain.outcome import Question
from conductor_app.errors import EnvironmentProblem
from conductor_app.printable import sound
from conductor_app.tool_specs import TOOLS, ToolSpec
from workers import disk, telemetry
from workers.failures import AttemptFailed, FailureKind
from workers.mcp.servers import NONE, McpTools
from workers.sandbox import SandboxUnavailable
from workers.tools.arguments import problems, usage
from workers.tools.output import cut, file_name
from workers.tools.performers import PERFORMERS
from workers.tools.workplace import Answer, ToolFault, Workplace
from workers.turns import ToolCall, ToolResult

PARALLEL_READS = 4
FINISH = "finish"
ASK = "ask"
GAVE_UP = "failed"
Numbered = tuple[int, ToolCall]


class Toolbox:
    """The tools that one attempt may use."""

    def __init__(self, place: Workplace, mcp: McpTools = NONE) -> None:
        self._place = place
        self._mcp = mcp
        self._performed = 0
        # Whether a call failed as the task was stopped: it may have done a part of its work.
        self.cut_off = False
        own = (
            spec
            for spec in TOOLS.values()
            if (place.worktree is not None or not spec.needs_files)
            and (place.desk is not None or not spec.needs_desk)
        )
        self.specs: tuple[ToolSpec, ...] = (*own, *mcp.specs)
        self._offered = {spec.name: spec for spec in self.specs}

    def skip(self, calls: int) -> None:
        """So many calls were performed by an earlier attempt: outputs are numbered after theirs."""
        self._performed += calls

    def wrong(self, call: ToolCall) -> FailureKind | None:
        """Why the call can't be carried out, if it can't be."""
        spec = self._offered.get(call.name)
        if spec is None:
            return FailureKind.UNKNOWN_TOOL
        # The schemas of others may say anything: their server judges the arguments.
        if call.name not in self._mcp and problems(spec, call.arguments):
            return FailureKind.BAD_ARGUMENTS
        return None

    def may_change(self, calls: Sequence[ToolCall]) -> bool:
        """Whether these calls may change files."""
        offered = [self._offered[call.name] for call in calls if call.name in self._offered]
        return any(spec.needs_files and not spec.read_only for spec in offered)

    def question(self, calls: Sequence[ToolCall]) -> Question | None:
        """What these calls ask a person, whose answer is the result of that call."""
        call = self._asking(calls)
        if call is None:
            return None
        options = dict.fromkeys(call.arguments.get("options", ()))
        question = Question(call.id, call.arguments["question"].strip(), tuple(options))
        return masking.within(question)

    def perform(self, calls: Sequence[ToolCall]) -> tuple[ToolResult, ...]:
        """The results in the order of the calls; of a call that asks a person there is none yet.

        Reads next to each other run at the same time, everything else in order, `finish` after all.
        """
        numbered = list(enumerate(calls, start=self._performed + 1))
        self._performed += len(calls)
        results: dict[int, ToolResult] = {}
        asking = self._asking(calls)
        numbered = [each for each in numbered if each[1] is not asking]
        work = [each for each in numbered if each[1].name != FINISH]
        for is_read, group in groupby(work, key=self._is_read):
            perform = self._together if is_read else self._in_order
            results.update(perform(list(group)))
        for number, call in numbered:
            if call.name == FINISH:
                results[number] = self._finish(call, list(results.values()), asking)
        return tuple(results[number] for number, _ in numbered)

    def _together(self, group: list[Numbered]) -> list[tuple[int, ToolResult]]:
        with ThreadPoolExecutor(min(PARALLEL_READS, len(group))) as pool:
            # Each in a copy of this context: what is logged and traced there belongs here.
            begun = [pool.submit(copy_context().run, self._result, each) for each in group]
            return [each.result() for each in begun]

    def _in_order(self, group: list[Numbered]) -> list[tuple[int, ToolResult]]:
        return [self._result(each) for each in group]

    def _is_read(self, numbered: Numbered) -> bool:
        spec = self._offered.get(numbered[1].name)
        return spec is not None and spec.read_only

    def _asking(self, calls: Sequence[ToolCall]) -> ToolCall | None:
        """The first call that asks a person as it should be asked."""
        spec = self._offered.get(ASK)
        if spec is None:
            return None
        asking = (call for call in calls if call.name == ASK)
        return next((call for call in asking if not problems(spec, call.arguments)), None)

    def _finish(
        self, call: ToolCall, others: list[ToolResult], asking: ToolCall | None
    ) -> ToolResult:
        """Not when the model can't know yet what came of something that it did in this turn."""
        answer = self._answer(call)
        if answer.ok and asking is not None:
            answer = Answer("Not finished: see what the answer to your question is.", ok=False)
        gave_up = answer.ok and call.arguments.get("status") == GAVE_UP
        if answer.ok and not gave_up and not all(other.ok for other in others):
            answer = Answer(
                "Not finished: another call of this turn failed; see to it, then finish.", ok=False
            )
        return ToolResult(call.id, answer.ok, answer.output)

    def _result(self, numbered: Numbered) -> tuple[int, ToolResult]:
        number, call = numbered
        with telemetry.tool(call, self._offered.get(call.name)) as told:
            begun = not self._place.cancelled()
            started = time.monotonic()
            answer = self._answer(call)
            seconds = time.monotonic() - started
            self.cut_off |= begun and not answer.ok and self._place.cancelled()
            keep_as = self._place.artifacts / file_name(number, call.name)
            # Before it is cut: of half a secret nobody knows that it is one.
            output, kept = cut(sound(masking.data(answer.output)), keep_as)
            result = ToolResult(call.id, answer.ok, output, answer.exit_code, seconds, kept)
            told.answered(result)
        return number, result

    def _answer(self, call: ToolCall) -> Answer:
        """Every fault becomes an answer: the model reads it and does better."""
        try:
            return self._perform(call)
        except ToolFault as fault:
            return Answer(str(fault), ok=False)
        except EnvironmentProblem as error:
            # Nothing that the model could do about it.
            kind = FailureKind.TEMPORARY_FAILURE
            if isinstance(error, SandboxUnavailable):
                kind = FailureKind.SANDBOX_UNAVAILABLE
            raise AttemptFailed(kind, error.message) from error
        except Exception as error:
            if disk.is_full(error):
                raise
            return Answer(f"{call.name} failed: {type(error).__name__}: {error}", ok=False)

    def _perform(self, call: ToolCall) -> Answer:
        spec = self._offered.get(call.name)
        if spec is None:
            raise ToolFault(
                f"There is no tool {call.name!r}; there are {', '.join(self._offered)}."
            )
        if call.name not in self._mcp and (wrong := problems(spec, call.arguments)):
            raise ToolFault(f"Not done: {'; '.join(wrong)}. {spec.name} takes {usage(spec)}.")
        if self._place.cancelled():
            raise ToolFault(
                "Not done: the work was stopped here. Do it again if it goes on and needs it."
            )
        if self._place.seconds_left() <= 0:
            raise ToolFault("Not done: the time of the task is over.")
        if call.name == FINISH:
            return Answer("Finished; Conductor checks the work now.")
        if call.name == ASK:
            raise ToolFault("Not asked: one question at a time; ask again after the answer.")
        if call.name in self._mcp:
            return self._mcp.call(call.name, call.arguments)
        return PERFORMERS[call.name](call.arguments, self._place)
