"""The agent loop: a model's turn, its tools, its next turn, until it finishes or has to stop."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from workers import crash
from workers.agents.base import AgentContext, AgentResult, AgentTask
from workers.connectors.base import Message, Model, ToolCall, ToolResult, Turn
from workers.failures import AttemptFailed, FailureKind
from workers.narration import call_line, one_line, turn_line
from workers.stuck import Circles
from workers.tools.toolbox import FINISH, GAVE_UP, Toolbox
from workers.tools.workplace import Workplace
from workers.transcript import Transcript

_REMINDER = "You called no tool. Go on with the task, or call finish."


@dataclass(frozen=True)
class LoopLimits:
    """Where a loop ends by itself; time ends it at the context's deadline."""

    turns: int = 80
    idle_turns: int = 3


def run_loop(
    task: AgentTask, context: AgentContext, opening: Sequence[Message], limits: LoopLimits
) -> AgentResult:
    """Let the context's connector carry out the task; raises AttemptFailed unless it finishes."""
    header = {"task": task.key, "attempt": task.failures + 1, "workflow": task.workflow}
    transcript = Transcript(context.artifacts, header)
    try:
        result = _Loop(task, context, transcript, opening, limits).run()
    except AttemptFailed as failure:
        transcript.end(failure.kind, failure.message)
        context.log(one_line(f"stopped: {failure.message}"))
        raise
    transcript.end("finished", result.summary)
    context.log(one_line(f"finished: {result.summary}"))
    return result


class _Loop:
    """One conversation, with what it needs to know of itself."""

    def __init__(
        self,
        task: AgentTask,
        context: AgentContext,
        transcript: Transcript,
        opening: Sequence[Message],
        limits: LoopLimits,
    ) -> None:
        self._task = task
        self._context = context
        self._transcript = transcript
        self._limits = limits
        self._messages = list(opening)
        self._connector = _model(task, context)
        self._toolbox = Toolbox(_workplace(context))
        self._circles = Circles()
        self._idle = 0

    def run(self) -> AgentResult:
        while True:
            self._stop_if_over()
            turn = self._next_turn()
            results = self._toolbox.perform(turn.tool_calls)
            self._keep(turn, results)
            crash.point("loop.after_tools")
            self._connector.observe(results)
            if summary := self._finished(turn.tool_calls, results):
                return AgentResult(summary, self._context.usage, self._context.turns)
            self._stop_if_stuck(turn, results)

    def _next_turn(self) -> Turn:
        crash.point("loop.before_turn")
        turn = self._connector.turn(self._messages, self._toolbox.specs)
        crash.point("loop.after_turn")
        self._context.turns += 1
        self._context.usage += turn.usage
        self._context.log(turn_line(self._context.turns, turn))
        return turn

    def _keep(self, turn: Turn, results: tuple[ToolResult, ...]) -> None:
        for call, result in zip(turn.tool_calls, results, strict=True):
            self._context.log(call_line(call, result))
        self._transcript.turn(turn, results)
        self._messages.append(Message("assistant", turn.text, tool_calls=turn.tool_calls))
        if results:
            self._messages.append(Message("tool", results=results))
        else:
            self._messages.append(Message("user", _REMINDER))

    def _finished(self, calls: Sequence[ToolCall], results: Sequence[ToolResult]) -> str | None:
        for call, result in zip(calls, results, strict=True):
            if call.name == FINISH and result.ok:
                summary = str(call.arguments["summary"])
                if call.arguments.get("status") == GAVE_UP:
                    raise AttemptFailed(
                        FailureKind.AGENT_ERROR, f"The agent could not do the task: {summary}"
                    )
                return summary
        return None

    def _stop_if_over(self) -> None:
        if self._context.cancelled():
            raise AttemptFailed(
                FailureKind.CANCELLED, "The task was cancelled while its agent worked."
            )
        if time.monotonic() >= self._context.deadline:
            raise AttemptFailed(
                FailureKind.TIMEOUT,
                f"The agent was not done after {self._task.timeout:g} s, the task's timeout. "
                "Give the task more time, or make it smaller.",
            )
        if self._context.turns >= self._limits.turns:
            raise AttemptFailed(
                FailureKind.TOOL_LIMIT,
                f"The agent used all of its {self._limits.turns} turns without finishing. "
                "Make the task smaller or its prompt clearer.",
            )

    def _stop_if_stuck(self, turn: Turn, results: Sequence[ToolResult]) -> None:
        self._idle = 0 if turn.tool_calls else self._idle + 1
        if self._idle >= self._limits.idle_turns:
            raise AttemptFailed(
                FailureKind.NO_RESULT,
                f"The agent stopped without finishing: {self._idle} answers without a tool call.",
                detail=turn.text,
            )
        self._circles.note(turn.tool_calls, results)
        if circle := self._circles.found():
            raise AttemptFailed(
                FailureKind.STUCK, f"The agent goes in circles: {circle}.", detail=results[-1].text
            )


def _model(task: AgentTask, context: AgentContext) -> Model:
    if not isinstance(context.connector, Model):
        raise AttemptFailed(
            FailureKind.AGENT_ERROR,
            f"The agent {task.agent} has no connector that gives turns. "
            "Give it one in the workflow or the settings, or a `function` of its own.",
            retryable=False,
        )
    return context.connector


def _workplace(context: AgentContext) -> Workplace:
    return Workplace(
        worktree=context.worktree,
        sandbox=context.sandbox,
        artifacts=context.artifacts,
        cancelled=context.cancelled,
        deadline=context.deadline,
        environment=context.environment,
    )
