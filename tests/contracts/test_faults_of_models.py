"""Everything that goes wrong with a model ends in its own kind, says what to do, and is paid for.

Through the loop and the meter, on a database; the server's own bill is what ours is compared with.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.bootstrap import Conductor
from conductor_app.domain.budget import of_execution
from conductor_app.engine.claim import Claim
from conductor_app.prices import Prices
from conductor_app.settings import Settings
from conductor_app.store.tables import budgets, usage
from tests.contracts.connectors import Bench
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.model_server import Call, Fault, Reply, Script, Space, dripping, says
from tests.fakes.worker import DIES, Dies
from workers.connectors import clients
from workers.connectors.live import LiveConnector
from workers.failures import AttemptFailed
from workers.metering import Meter
from workers.patience import Patience
from workers.suspension import Suspend
from workers.turns import Usage

End = AttemptFailed | Suspend


class Account(Bench):
    """A bench whose attempts are paid for."""

    engine: Engine
    meter: Meter
    execution: str

    def open(self, database_url: str) -> Iterator["Account"]:
        taken: list[Claim] = []

        def keep(claim: Claim) -> Dies:
            taken.append(claim)
            return DIES

        with engine_on(database_url) as self.engine:
            self.execution = self.engine.start(workflow(phase(task("a"))))
            self.engine.run(outcomes={"0/a": [keep]})
            settings = Settings.load(self.folder, daily_tokens=10**9)
            conductor = Conductor(settings, self.engine.database, self.engine.queue)
            self.meter = Meter(Patience(conductor), Prices(), taken[0])
            yield self
            invariants.hold(self.engine)

    def ends(self, connector: LiveConnector, **changes: Any) -> End:
        """An attempt that does not finish."""
        try:
            self.execute(connector, meter=self.meter, **changes)
        except (AttemptFailed, Suspend) as end:
            return end
        pytest.fail("it finished")

    @property
    def booked(self) -> Usage:
        """What our ledger says was used."""
        rows = self.engine.rows(select(usage))
        return sum(
            (
                Usage(
                    row.input_tokens,
                    row.output_tokens,
                    row.cache_read_tokens,
                    row.nano_usd,
                    row.cache_write_tokens,
                )
                for row in rows
            ),
            Usage(),
        )

    @property
    def billed(self) -> Usage:
        """What the server's ledger says."""
        total = self.server.ledger.total
        return Usage(
            total.input_tokens,
            total.output_tokens,
            total.cache_read_tokens,
            total.cost_nano_usd,
            total.cache_write_tokens,
        )

    @property
    def spent(self) -> tuple[int, int]:
        """Tokens and nano-USD of the execution's budget; nothing stays reserved."""
        is_it = budgets.c.id == of_execution(self.execution)
        row = self.engine.rows(select(budgets).where(is_it))[0]
        assert (row.tokens_reserved, row.nano_usd_reserved) == (0, 0)
        return row.tokens_spent, row.nano_usd_spent


# `claude2` is `claude` with other settings.
@pytest.fixture(params=["claude", "codex", "deepseek"])
def bench(
    request: pytest.FixtureRequest,
    model_server: Space,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sqlite_url: str,
) -> Iterator[Account]:
    bench = Account(request.param, model_server, tmp_path, monkeypatch)
    bench.give_key()
    yield from bench.open(sqlite_url)
    clients.close_all()


def told(end: End) -> str:
    """What a person reads."""
    return end.message if isinstance(end, AttemptFailed) else end.reason


# By fault: whether it is waited for, its kind, and the words that say what to do.
REFUSED = {
    "400": (False, "BAD_REQUEST", "change `connectors"),
    "401": (False, "CREDENTIALS", "_API_KEY"),
    "402": (False, "SPEND_LIMIT", "pay in"),
    "403": (False, "CREDENTIALS", "_API_KEY"),
    "404": (False, "BAD_REQUEST", "_MODEL"),
    "413": (False, "BAD_REQUEST", "Make the task smaller"),
    "429": (True, "API_LIMIT", "asks for 1 s"),
    "429-unsaid": (True, "API_LIMIT", "no more requests for now"),
    "429-long": (True, "API_LIMIT", "asks for 130 s"),
    "spend-limit": (False, "SPEND_LIMIT", "waiting does not help"),
    "500": (True, "TEMPORARY_FAILURE", "works when tried again"),
    "502": (True, "TEMPORARY_FAILURE", "works when tried again"),
    "504": (True, "TEMPORARY_FAILURE", "works when tried again"),
    "529": (True, "API_LIMIT", "no more requests for now"),
    "529-final": (True, "API_LIMIT", "no more requests for now"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused_costs_nothing(bench: Account, fault: str) -> None:
    waits, kind, words = REFUSED[fault]
    end = bench.ends(bench.connect(bench.server.url("change", fault)))
    assert (isinstance(end, Suspend), end.kind) == (waits, kind)
    assert words in told(end)
    assert bench.spent == (0, 0)
    assert bench.booked == bench.billed == Usage()


def test_the_providers_own_words_are_told_and_nothing_around_them(bench: Account) -> None:
    said = {
        "401": ": 401: invalid x-api-key. Put a right one there",
        "402": ": 402: Your credit balance is too low. Raise it",
        "502": "failed: 502: 502 Bad Gateway nginx. ",
    }
    for fault, words in said.items():
        message = told(bench.ends(bench.connect(bench.server.url("change", fault))))
        call = f" (request {bench.server.requests[-1].request_id})"
        assert call in message
        assert words in message.replace(call, "")


def test_how_long_to_wait_is_the_providers_word(bench: Account) -> None:
    for fault, seconds in (("429", 1), ("429-long", 130), ("429-unsaid", None), ("529", None)):
        end = bench.ends(bench.connect(bench.server.url("change", fault)))
        assert isinstance(end, Suspend)
        assert end.seconds == seconds


# What breaks off was paid for, nobody knows how much of it.
BROKEN = {
    "broken-json": "no valid JSON",
    "closed": "connection was cut",
    "no-reply": "silent for too long",
    "empty-stream": "ended before it was complete",
    "stall": "silent for too long",
    "truncated": "ended before it was complete",
    "truncated-late": "ended before it was complete",
    "cut": "connection was cut",
    "failed-event": "",
    "error-event": "Overloaded",
    "error-data": "Overloaded",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_breaks_off_is_booked_at_its_worst_and_had_again(bench: Account, fault: str) -> None:
    bench.set("silence", 0.5)
    bench.set("max_output_tokens", 500)
    end = bench.ends(bench.connect(bench.server.url("change", fault)))
    assert isinstance(end, Suspend)
    assert end.kind in ("TEMPORARY_FAILURE", "API_LIMIT")
    assert BROKEN[fault] in told(end)
    tokens, nano_usd = bench.spent
    assert tokens >= bench.billed.tokens > 0
    assert nano_usd >= bench.billed.cost_nano_usd > 0
    assert len(bench.server.requests) == 1


def test_after_a_wait_the_turn_is_had_again(bench: Account) -> None:
    """None of its tools had run, so nothing is done twice."""
    url = bench.server.url("change", "429@1")
    assert isinstance(bench.ends(bench.connect(url)), Suspend)
    result = bench.execute(bench.connect(url), meter=bench.meter)
    assert "greeting.py" in result.summary
    assert bench.booked == bench.billed
    assert bench.spent == (bench.billed.tokens, bench.billed.cost_nano_usd)


CUT = Reply("I write.", (Call("write_file", '{"path": "a.txt", "con'),), stop="cut")
# By what the model does: the kind, what to do about it, whether all of it was asked for.
ODD: dict[str, tuple[str, str]] = {
    "refusal": ("REFUSED", "Word the task differently"),
    "empty": ("EMPTY_ANSWER", "another model"),
    "prose": ("NO_RESULT", "without finishing"),
    "broken-arguments": ("BAD_ARGUMENTS", "another model"),
    "unknown-tool": ("UNKNOWN_TOOL", "another model"),
    "loop": ("STUCK", "in circles"),
    "cut": ("NO_RESULT", "`max_output_tokens`"),
}


DONE = says("", ("finish", {"summary": "all done"}))


@pytest.mark.parametrize("scenario", ODD)
def test_what_a_model_may_do_instead_of_its_work(bench: Account, scenario: str) -> None:
    kind, words = ODD[scenario]
    end = bench.ends(bench.connect(bench.server.url(scenario)))
    assert isinstance(end, AttemptFailed)
    assert end.kind == kind
    assert words in end.message
    assert bench.booked == bench.billed
    assert bench.spent == (bench.billed.tokens, bench.billed.cost_nano_usd)
    assert bench.billed.tokens > 0


@pytest.mark.parametrize(
    "reply",
    [Reply(thinking="Hm."), Reply(thinking="Hm.", stop="cut"), Reply("\n", thinking="Hm.")],
)
def test_thoughts_alone_are_no_end(bench: Account, reply: Reply) -> None:
    """Providers don't take them back without what they led to."""
    model = bench.play(script=lambda ask: reply if ask.number == 1 else DONE)
    result = bench.execute(model, meter=bench.meter)
    assert (result.summary, result.turns) == ("all done", 2)
    assert bench.booked == bench.billed


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_numbers_that_are_none_go_back_as_words(bench: Account, number: str) -> None:
    odd = says("", ("write_file", f'{{"path": "a", "content": {number}}}'))
    result = bench.execute(bench.play(odd, DONE), meter=bench.meter)
    assert (result.summary, result.turns) == ("all done", 2)
    assert bench.booked == bench.billed


@pytest.mark.parametrize("levels", [150, 700])
def test_arguments_nested_without_end_go_back_as_words(bench: Account, levels: int) -> None:
    deep = says("", ("read_file", f'{{"path": {"[" * levels}{"]" * levels}}}'))
    result = bench.execute(bench.play(deep, DONE), meter=bench.meter)
    assert (result.summary, result.turns) == ("all done", 2)
    assert any("read_file" in line and "must be an object" in line for line in bench.log)
    assert bench.booked == bench.billed


@pytest.mark.parametrize("bench", ["claude"], indirect=True)
def test_a_model_that_pauses_goes_on(bench: Account) -> None:
    """Only one provider's do; five times are no reason to give up."""
    pauses = [Reply(f"Thinking, {number}.", stop="paused") for number in range(5)]
    result = bench.execute(
        bench.play(*pauses, says("", ("finish", {"summary": "all done"}))), meter=bench.meter
    )
    assert (result.summary, result.turns) == ("all done", 6)
    assert bench.booked == bench.billed


def test_ten_megabytes_are_too_much(bench: Account) -> None:
    end = bench.ends(bench.connect(bench.server.url("huge")))
    assert end.kind == "UNREADABLE"
    assert "more than 2,048,000 characters" in told(end)
    assert "BASE_URL" in told(end)
    assert len(told(end)) < 500
    assert max(map(len, bench.log)) < 1_000
    assert bench.spent[0] >= 32_000


def test_lies_about_usage_are_booked_as_they_are_told(bench: Account) -> None:
    """What the provider says is what it puts on the bill; nobody here can tell better."""
    end = bench.ends(bench.connect(bench.server.url("false-usage")))
    assert end.kind == "NO_RESULT"
    assert bench.booked.output_tokens == len(bench.server.requests)
    assert bench.booked.input_tokens < bench.billed.input_tokens
    assert bench.spent == (bench.booked.tokens, bench.booked.cost_nano_usd)


@pytest.mark.parametrize("lie", [-5, None, "many"])
def test_usage_that_is_no_number_of_tokens(bench: Account, lie: object) -> None:
    """A negative one would give back what others have spent."""
    names = ("input_tokens", "prompt_tokens", "output_tokens", "completion_tokens")
    reply = Reply("Hm.", false_usage=dict.fromkeys(names, lie))
    end = bench.ends(bench.play(reply))
    assert (type(end), end.kind) == (Suspend, "TEMPORARY_FAILURE")
    assert "not what its API gives" in told(end)
    assert bench.spent[0] >= bench.billed.tokens > 0


def test_a_slow_model_has_the_tasks_time(bench: Account) -> None:
    bench.server.fail("change", dripping(0.05))
    began = time.monotonic()
    end = bench.ends(bench.connect(bench.server.url("change")), deadline=began + 0.4)
    assert (type(end), end.kind) == (AttemptFailed, "TIMEOUT")
    assert "more time" in told(end)
    assert bench.spent[0] >= bench.billed.tokens > 0
    assert time.monotonic() - began < 3


def stream(*events: str) -> Fault:
    """An answer of these events, all of them odd."""
    body = "".join(f"event: message_start\ndata: {each}\n\n" for each in events)
    return Fault("odd", 200, headers={"content-type": "text/event-stream"}, body=body.encode())


@pytest.mark.parametrize(
    "event",
    [
        *("{}", "[]", "null", "7", '"text"', "\x00", "[DONE]"),
        *('{"type": 5}', '{"choices": [{}]}', '{"choices": 3}'),
        *(
            '{"type": "message_start"}',
            '{"type": "message_stop"}',
            '{"type": "response.completed"}',
        ),
        '{"type": "content_block_delta", "index": 0, "delta": {"type": "new"}}',
        '{"type": "response.output_item.done", "output_index": 0}',
    ],
)
def test_a_shape_that_nobody_knows(bench: Account, event: str) -> None:
    end = bench.ends(bench.play(script=_always(stream(event))))
    assert (type(end), end.kind) == (Suspend, "TEMPORARY_FAILURE")
    assert told(end).endswith("As a rule it works when tried again.")
    assert bench.spent[0] > 0


def _always(fault: Fault) -> Script:
    return lambda ask: fault


def test_another_thing_than_an_api_answers(bench: Account) -> None:
    """A page of a proxy, with status 200."""
    page = Fault("page", 200, headers={"content-type": "text/html"}, body=b"<html>Log in</html>")
    end = bench.ends(bench.play(script=_always(page)))
    assert (type(end), end.kind) == (Suspend, "TEMPORARY_FAILURE")


def test_a_redirect_is_not_followed(bench: Account) -> None:
    """It could carry the key elsewhere."""
    away = Fault("away", 302, headers={"location": "https://example.invalid/"}, body=b"")
    end = bench.ends(bench.play(script=_always(away)))
    assert (type(end), end.kind) == (AttemptFailed, "BAD_REQUEST")


def test_a_limit_of_spending_is_the_servers_to_keep(bench: Account) -> None:
    """What was used before it is booked, and the limit itself costs nothing."""
    bench.server.limits.spend_nano_usd = 1
    looks = says("I look.", ("list_dir", {"path": "."}))
    end = bench.ends(bench.play(looks, looks))
    assert end.kind == "SPEND_LIMIT"
    assert bench.booked == bench.billed
    assert bench.billed.tokens > 0
