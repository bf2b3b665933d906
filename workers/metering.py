"""The meter of an attempt: what its calls may cost is reserved before, and settled after."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from conductor_app import logs, masking
from conductor_app.domain import budget_words
from conductor_app.domain.budget import Amount, Basis, Left, Refused
from conductor_app.domain.budget_names import IN_WORDS, names
from conductor_app.engine import budgets
from conductor_app.engine.budgets import AttemptEnded, PriceUnknown, Reserved
from conductor_app.engine.claim import Claim
from conductor_app.errors import Unreachable
from conductor_app.ids import new_id
from conductor_app.prices import Prices, Tokens, date_of
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.database import Transaction
from workers import crash
from workers.failures import AttemptFailed, FailureKind
from workers.patience import Patience
from workers.turns import Usage
from workers.wanted import WantedCall

# How long to wait for what others have reserved, in seconds: about a call's length.
WAIT = 2.0
# No model has a longer name.
LONGEST_MODEL = 200

T = TypeVar("T")


class Call:
    """A call whose worst case is reserved, until it is settled or found to have cost nothing."""

    def __init__(
        self, meter: "Meter", spender: Spender, reserved: Reserved, terms: "Terms"
    ) -> None:
        self._meter = meter
        self._spender = spender
        self._reserved = reserved
        self._terms = terms
        self.open = True

    @property
    def max_output_tokens(self) -> int:
        """What the model may say at most; less than asked for where the budgets are nearly used."""
        return self._terms.output

    def settle(self, usage: Usage, request_id: str | None = None) -> Usage:
        """Book what it took; the usage with its price, in `cost_nano_usd`."""
        crash.point("meter.before_settle")
        self.open = False
        return self._meter.book(self._spender, self._reserved, self._terms, usage, request_id)

    def nothing_spent(self) -> None:
        """It was refused before it used a token."""
        if self.open:
            self.open = False
            self._meter.release(self._reserved)


class Terms:
    """What a call may take: tokens in and out, priced at one moment (ms)."""

    def __init__(self, prices: Prices, spender: Spender, input: int, output: int) -> None:
        self._prices = prices
        self._spender = spender
        self.input = input
        self.output = output
        self.at = time.time_ns() // 1_000_000

    @cached_property
    def worst(self) -> int | None:
        """In nano-USD; None is unknown."""
        who = self._spender
        return self._prices.worst(who.provider, who.model, self.input, self.output, self.at)

    @property
    def amount(self) -> Amount:
        return Amount(self.input + self.output, self.worst or 0)

    def of(self, usage: Usage) -> int | None:
        tokens = Tokens(
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
        )
        return self._prices.nano_usd(self._spender.provider, self._spender.model, tokens, self.at)

    def within(self, left: Left, least: int) -> "Terms | None":
        """The same with fewer tokens out, at least so many, so that what is left covers it."""
        output = self.output
        if left.tokens is not None:
            output = min(output, left.tokens - self.input)
        if left.nano_usd is not None and (worst := self.worst):
            bare = self.shortened(0).worst or 0
            each = (worst - bare) / max(1, self.output)
            if worst > left.nano_usd and each:
                output = min(output, int((left.nano_usd - bare) / each))
        if not least <= output < self.output:
            return None
        return self.shortened(output)

    def shortened(self, output: int) -> "Terms":
        """The same with so many tokens out."""
        return Terms(self._prices, self._spender, self.input, output)


class Meter:
    """What an attempt spends goes through here."""

    def __init__(self, patience: Patience, prices: Prices, claim: Claim) -> None:
        self._patience = patience
        self._daily = patience.conductor.daily
        self._prices = prices
        self._claim = claim

    @contextmanager
    def call(self, wanted: WantedCall) -> Iterator[Call]:
        """A call of at most so many tokens in and out; left without a word it cost all of that.

        Where it may be granted fewer, `Call.max_output_tokens` says how many it was. Raises
        AttemptFailed of kind BUDGET_EXHAUSTED, with `retry_after` where waiting for other calls to
        be settled is all it takes, before anything was spent.
        """
        spender = self._spender(wanted.connector, wanted.provider, wanted.model)
        terms = Terms(self._prices, spender, wanted.input_tokens, wanted.output_tokens)
        reserved = self._reserve(spender, terms)
        least = wanted.least_output_tokens
        whole = terms.amount
        if isinstance(reserved, Refused) and not reserved.wait and least is not None:
            least = min(least, wanted.output_tokens)
            # What refuses even the shortest is the budget that a person has to raise.
            terms = terms.within(reserved.left, least) or terms.shortened(least)
            reserved = self._reserve(spender, terms)
        if isinstance(reserved, Refused):
            raise _exhausted(reserved, whole, spender)
        crash.point("meter.after_reserve")
        call = Call(self, spender, reserved, terms)
        try:
            yield call
        finally:
            if call.open:
                call.open = False
                self._assume_the_worst(reserved)

    def price(self, provider: str, model: str, usage: Usage) -> int | None:
        """In nano-USD, as of now; None is unknown."""
        return Terms(self._prices, self._spender("", provider, model), 0, 0).of(usage)

    def admit(self, connector: str, provider: str, model: str) -> str:
        """A run of what spends unasked begins; its id, under which it is to be recorded.

        Until then it counts as one of unknown cost. Raises AttemptFailed, as `call`, where a budget
        is used up.
        """
        spender = self._spender(connector, provider, model)
        id_ = new_id()
        refused = self._write(lambda tx: budgets.admit(tx, id_, spender, self._daily))
        if refused is not None:
            raise _exhausted(refused, None, spender)
        return id_

    def record(
        self, run: str, connector: str, provider: str, model: str, usage: Usage | None
    ) -> Usage:
        """Book what a run has spent that could not be asked before; None: it does not say.

        A price that the usage brings along is taken, else it is priced from its tokens.
        """
        spender = self._spender(connector, provider, model)
        if usage is None:
            used = budgets.UNKNOWN
        else:
            terms = Terms(self._prices, spender, 0, 0)
            own = usage.cost_nano_usd or terms.of(usage)
            used = _used(usage, own, Basis.SOFT_CAP, terms.at, None)
        self._alert(self._write(lambda tx: budgets.record(tx, run, spender, used, self._daily)))
        return replace(usage or Usage(), cost_nano_usd=used.nano_usd or 0)

    def book(
        self,
        spender: Spender,
        reserved: Reserved,
        terms: Terms,
        usage: Usage,
        request_id: str | None,
    ) -> Usage:
        """Settle a call at what it reports; a price that can't be told is the worst case's.

        So is a report that can't be: no call takes more than its request has bytes and its limit
        lets through.
        """
        own = terms.of(usage)
        if usage.tokens > reserved.worst.tokens or (own or 0) > reserved.worst.nano_usd:
            logs.warning("usage_impossible", model=spender.model, tokens=usage.tokens)
            self._assume_the_worst(reserved)
            worst = Usage(terms.input, terms.output)
            return replace(worst, cost_nano_usd=reserved.worst.nano_usd)
        if own is None and terms.worst is not None:
            own = reserved.worst.nano_usd
        used = _used(usage, own, Basis.REPORTED, terms.at, request_id)
        self._alert(self._write(lambda tx: budgets.settle(tx, reserved.id, used)))
        return replace(usage, cost_nano_usd=own or 0)

    def release(self, reserved: Reserved) -> None:
        self._write(lambda tx: budgets.release(tx, reserved.id))

    def _reserve(self, spender: Spender, terms: Terms) -> Reserved | Refused:
        id_, worst, priced = new_id(), terms.amount, terms.worst is not None
        try:
            return self._write(
                lambda tx: budgets.reserve(tx, id_, spender, worst, self._daily, priced=priced)
            )
        except AttemptEnded as ended:
            raise AttemptFailed(FailureKind.CANCELLED, ended.message, unspent=True) from None
        except PriceUnknown as unknown:
            raise AttemptFailed(
                FailureKind.BUDGET_EXHAUSTED, unknown.message, retryable=False, unspent=True
            ) from None

    def _assume_the_worst(self, reserved: Reserved) -> None:
        try:
            self._alert(self._write(lambda tx: budgets.settle(tx, reserved.id, None)))
        except Unreachable as problem:
            # The call's own end matters more; the attempt's end settles it as well.
            logs.warning("usage_unknown", attempt=self._claim.attempt_id, error=problem)

    def _alert(self, due: list[str]) -> None:
        if due:
            self._write(lambda tx: budgets.alert(tx, self._claim.execution_id, due))

    def _write(self, work: Callable[[Transaction], T]) -> T:
        try:
            return self._patience.write(work)
        except DBAPIError as problem:
            raise Unreachable(
                "The database did not answer while a call was being accounted for; what it may "
                "have cost stays reserved until its attempt has ended."
            ) from problem

    def _spender(self, connector: str, provider: str, model: str) -> Spender:
        claim = self._claim
        return Spender(
            claim.project_id,
            claim.execution_id,
            claim.task_id,
            claim.attempt_id,
            claim.agent.name if claim.agent else "",
            connector,
            provider,
            # A program's word as a rule.
            masking.words(model)[:LONGEST_MODEL],
        )


def _used(usage: Usage, own: int | None, basis: Basis, at: int, request_id: str | None) -> Used:
    return Used(
        usage.tokens,
        own,
        basis,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        date_of(at) if own is not None else None,
        request_id,
    )


def _exhausted(refused: Refused, worst: Amount | None, spender: Spender) -> AttemptFailed:
    """`worst` is of the call that is not covered; None: a program is not begun any more."""
    if refused.wait:
        return AttemptFailed(
            FailureKind.BUDGET_EXHAUSTED,
            f"Other calls have reserved what is left of {IN_WORDS[refused.scope]}; it waits until "
            "they are settled.",
            retry_after=WAIT,
            unspent=True,
        )
    name = next(each for each in names(spender.place("")) if each.scope == refused.scope)
    message = (
        budget_words.used_up(refused.account, name.spoken)
        if worst is None
        else budget_words.not_covered(refused.account, worst, name.spoken)
    )
    return AttemptFailed(FailureKind.BUDGET_EXHAUSTED, message, retryable=False, unspent=True)
