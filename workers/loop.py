"""The agent loop: a model's turn, its tools, its next turn, until it finishes or has to stop."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from conductor_app.connector_settings import MAX_TURNS
from conductor_app.domain.outcome import Question
from workers import crash
from workers.agents.base import AgentContext, AgentResult, AgentTask
from workers.compaction import AFTERWARDS, FULL, size
from workers.connectors.base import Model
from workers.conversation import Conversation, Earlier, Exchange
from workers.failures import AttemptFailed, FailureKind
from workers.mcp import servers
from workers.narration import call_line, one_line, turn_line
from workers.paying import paid_turn
from workers.stuck import Watch
from workers.suspension import Suspend, asking, waiting_for
from workers.tools.toolbox import FINISH, GAVE_UP, Toolbox
from workers.tools.workplace import Workplace
from workers.transcript import Transcript
from workers.turns import Message, ToolCall, ToolResult, Turn

CUT = (
    "Your answer was cut off at the limit of its length, so nothing of it was carried out. "
    "Say less at a time: one call, a smaller piece of a file."
)
# Of a server that is missing its last words come last, and say why.
LONGEST_REMARK = 1_000


@dataclass(frozen=True)
class LoopLimits:
    """Where a loop ends by itself; time ends it at the context's deadline."""

    turns: int = MAX_TURNS
    idle_turns: int = 3


def run_loop(
    task: AgentTask, context: AgentContext, opening: Sequence[Message], limits: LoopLimits
) -> AgentResult:
    """Let the context's connector carry out the task.

    Goes on with what the context has of an earlier attempt. Raises AttemptFailed unless it
    finishes, and Suspend where it has to wait.
    """
    place = _workplace(context)
    earlier = context.earlier
    with servers.running(context.mcp, place) as mcp:
        for remark in mcp.remarks:
            context.log(one_line(remark, width=LONGEST_REMARK))
        if earlier is not None:
            remarks = [earlier.remark, *mcp.remarks]
            context.earlier = replace(earlier, remark="\n\n".join(filter(None, remarks)))
        return _told(task, context, _remarked(opening, mcp.remarks), limits, Toolbox(place, mcp))


def _remarked(opening: Sequence[Message], remarks: Sequence[str]) -> list[Message]:
    """With what an agent has to know of the tools that are missing."""
    if not remarks:
        return list(opening)
    *others, last = opening
    return [*others, replace(last, text="\n\n".join([last.text, *remarks]))]


def _told(
    task: AgentTask,
    context: AgentContext,
    opening: Sequence[Message],
    limits: LoopLimits,
    toolbox: Toolbox,
) -> AgentResult:
    """The loop with its transcript, from its first line to its last."""
    header = {"task": task.key, "attempt": task.failures + 1, "workflow": task.workflow}
    earlier = context.earlier
    transcript = Transcript(
        context.artifacts, {**header, **context.header}, earlier.lines if earlier else ()
    )
    if earlier is None:
        transcript.opening(opening)
    try:
        result = _Loop(task, context, transcript, opening, limits, toolbox).run()
    except AttemptFailed as failure:
        transcript.end(failure.kind, failure.message, **failure.of_the_call)
        context.log(one_line(f"stopped: {failure.message}"))
        raise
    except Suspend as wait:
        transcript.end("suspended", wait.reason)
        context.log(one_line(f"waits: {wait.reason}"))
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
        toolbox: Toolbox,
    ) -> None:
        self._task = task
        self._context = context
        self._transcript = transcript
        self._limits = limits
        self._earlier = context.earlier
        self._conversation = self._earlier.conversation if self._earlier else Conversation(opening)
        self._model = _model(task, context)
        self._toolbox = toolbox
        more = f"`conductor logs {task.key}` shows what it did."
        self._watch = Watch(limits.idle_turns, toolbox.wrong, more)
        self._before = len(self._earlier.exchanges) if self._earlier else 0
        self._cut = False
        # What the model is still to be told, once it doesn't pause.
        self._remark = self._earlier.remark if self._earlier else None
        # The last turn's tokens, and the messages that these were.
        self._counted = (0, 0)

    def run(self) -> AgentResult:
        done = self._take_up(self._earlier) if self._earlier else None
        while done is None:
            self._stop_if_over()
            done = self._carry_out(self._next_turn())
        return done

    def _take_up(self, earlier: Earlier) -> AgentResult | None:
        """Go on where an earlier attempt stopped; it may have been done already."""
        self._context.log(f"goes on after {self._before} turns of an earlier attempt")
        self._model.resume(self._before)
        whole = earlier.exchanges[:-1] if earlier.pending else earlier.exchanges
        for exchange in whole:
            self._toolbox.skip(len(exchange.turn.tool_calls))
            self._watch_over(exchange)
        if earlier.pending:
            done = self._settle(earlier.pending, self._pending_results(earlier.pending))
        else:
            done = self._result(whole[-1])
            if done is None:
                self._remark_after(whole[-1].turn)
        return done

    def _pending_results(self, exchange: Exchange) -> Sequence[ToolResult]:
        """What the turn still waits for: the answer to its question."""
        calls = exchange.open_calls
        self._toolbox.skip(len(exchange.turn.tool_calls) - len(calls))
        # A call that asks in a wrong way changes nothing: it is told what is wrong.
        results = self._toolbox.perform(calls)
        question = self._toolbox.question(calls)
        return results if question is None else [self._answered(question)]

    def _remark_after(self, turn: Turn) -> None:
        """Say what is to be said; nothing comes between a turn that paused and the next one."""
        if self._remark and turn.stop != "paused":
            self._transcript.said(self._remark)
            self._conversation.say(self._remark)
            self._remark = None

    def _next_turn(self) -> Turn:
        crash.point("loop.before_turn")
        self._make_room()
        try:
            messages = self._conversation.messages
            turn = paid_turn(self._model, self._context.meter, messages, self._toolbox.specs)
        except AttemptFailed as failure:
            # None of its tools has run, so the turn can be had again, later.
            raise waiting_for(failure) or failure from failure
        crash.point("loop.after_turn")
        self._counted = (turn.usage.tokens, len(messages) + 1)
        self._context.turns += 1
        self._context.usage += turn.usage
        self._context.log(turn_line(self._before + self._context.turns, turn))
        return turn

    def _make_room(self) -> None:
        """Shorten the conversation before it no longer fits into its model's window.

        Not after a turn that paused: it goes back as it was.
        """
        window = self._model.window
        messages = self._conversation.messages
        if window is None or messages[-1].role == "assistant":
            return
        tokens, of = self._counted
        if tokens + size(messages[of:]) < FULL * window:
            return
        target = int(AFTERWARDS * window)
        self._conversation.compact(target)
        if self._conversation.messages == messages:
            return
        self._transcript.compacted(target)
        self._counted = (size(self._conversation.messages), len(self._conversation.messages))
        self._context.log(f"shortened the conversation from {len(messages)} messages")

    def _carry_out(self, turn: Turn) -> AgentResult | None:
        """Perform what the turn wishes; the result when it was the last one."""
        calls = turn.tool_calls
        cut = turn.stop == "cut"
        exchange = Exchange(turn, changes=not cut and self._toolbox.may_change(calls))
        self._transcript.turn(turn, changes=exchange.changes)
        if turn.stop == "refused":
            raise AttemptFailed(
                FailureKind.REFUSED,
                "The model refuses to do this. Word the task differently, or give it to an agent "
                "with another model.",
                detail=turn.text,
            )
        if cut:
            return self._not_carried_out(exchange)
        self._cut = False
        if turn.stop == "paused":
            return self._settle(exchange, [])
        results = list(self._toolbox.perform(calls))
        if exchange.changes and self._toolbox.cut_off:
            # Nobody goes on behind a command that ended half way.
            self._stop_if_over()
        question = self._toolbox.question(calls)
        if question is not None:
            results.append(self._ask(question, exchange, results))
        return self._settle(exchange, results)

    def _not_carried_out(self, exchange: Exchange) -> AgentResult | None:
        """A call that is not whole may mean anything: its model says it again, once."""
        if self._cut:
            raise AttemptFailed(
                FailureKind.NO_RESULT,
                "The model's answer was cut off at the limit of its length twice in a row. "
                "Allow it more (`max_output_tokens` of its connector), or make the task smaller.",
                detail=exchange.turn.text,
            )
        self._cut = True
        exchange.note = CUT
        calls = exchange.turn.tool_calls
        return self._settle(exchange, [ToolResult(call.id, False, CUT) for call in calls])

    def _ask(
        self, question: Question, exchange: Exchange, results: Sequence[ToolResult]
    ) -> ToolResult:
        try:
            return self._answered(question)
        except Suspend:
            # So that whoever goes on finds all that is there but the answer.
            self._transcript.results(results)
            for each in results:
                self._context.log(call_line(_call_of(exchange.turn, each), each))
            raise

    def _answered(self, question: Question) -> ToolResult:
        """The answer as the call's result; raises Suspend while there is none."""
        answer, desk = self._model.recorded_answer(question.call_id), self._context.desk
        if answer is None and desk:
            answer = desk.answer(question)
        if answer is None:
            raise asking(question)
        return ToolResult(question.call_id, True, answer)

    def _settle(self, exchange: Exchange, results: Sequence[ToolResult]) -> AgentResult | None:
        """The exchange is whole with these results: keep it, and see what follows from it."""
        exchange.results += results
        turn = exchange.turn
        for each in results:
            self._context.log(call_line(_call_of(turn, each), each))
        if turn.stop == "done":
            self._watch_over(exchange)
            exchange.note = self._watch.warning()
        self._transcript.results(results, exchange.note)
        self._conversation.add(exchange)
        crash.point("loop.after_tools")
        self._model.observe(exchange.in_order())
        done = self._result(exchange)
        if done is None:
            self._watch.stop_if_stuck(turn.text)
            self._remark_after(turn)
        return done

    def _watch_over(self, exchange: Exchange) -> None:
        """Not over a turn that was cut or paused: nothing of it was carried out."""
        if exchange.turn.stop == "done":
            self._watch.note(exchange.turn.tool_calls, exchange.in_order())

    def _result(self, exchange: Exchange) -> AgentResult | None:
        """What the attempt brings, if the exchange has finished it."""
        by_id = {result.call_id: result for result in exchange.results}
        for call in exchange.turn.tool_calls:
            if call.name != FINISH or not by_id[call.id].ok:
                continue
            summary = str(call.arguments["summary"])
            if call.arguments.get("status") == GAVE_UP:
                raise AttemptFailed(
                    FailureKind.AGENT_ERROR, f"The agent could not do the task: {summary}"
                )
            return AgentResult(summary, self._context.usage, self._context.turns)
        return None

    def _stop_if_over(self) -> None:
        if self._context.cancelled():
            raise AttemptFailed(
                FailureKind.CANCELLED,
                "The agent was told to stop: its task was cancelled, or its worker is to end.",
            )
        if time.monotonic() >= self._context.deadline:
            raise AttemptFailed(
                FailureKind.TIMEOUT,
                f"The agent was not done after {self._task.timeout:g} s, the task's timeout. "
                "Give the task more time, or make it smaller.",
            )
        if self._before + self._context.turns >= self._limits.turns:
            raise AttemptFailed(
                FailureKind.TOOL_LIMIT,
                f"The agent used all of its {self._limits.turns} turns without finishing. "
                "Make the task smaller, its prompt clearer, or its connector's `max_turns` larger.",
            )


def _call_of(turn: Turn, result: ToolResult) -> ToolCall:
    return next(call for call in turn.tool_calls if call.id == result.call_id)


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
        cancelled=context.broken_off,
        deadline=context.deadline,
        environment=context.environment,
        hosts=context.hosts,
        desk=context.desk,
    )
