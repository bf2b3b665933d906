"""Arithmetic of budgets, by any order of reservations and settlements."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from conductor_app.domain import budget
from conductor_app.domain.budget import Account, Amount, Caps, Left, Scope

AMOUNTS = st.builds(Amount, st.integers(0, 50), st.integers(0, 50))
CAPS = st.builds(Caps, st.none() | st.integers(0, 100), st.none() | st.integers(0, 100), st.none())
ACCOUNTS = st.builds(Account, st.sampled_from(Scope), CAPS, AMOUNTS, AMOUNTS)


@given(
    caps=st.lists(CAPS, min_size=1, max_size=4),
    steps=st.lists(st.tuples(AMOUNTS, AMOUNTS, st.booleans()), max_size=30),
)
def test_no_order_of_calls_passes_a_cap_and_all_is_released_in_the_end(
    caps: list[Caps], steps: list[tuple[Amount, Amount, bool]]
) -> None:
    accounts = [Account(Scope.TASK, each) for each in caps]
    open_: list[tuple[Amount, Amount]] = []

    def settle_oldest() -> None:
        worst, actual = open_.pop(0)
        accounts[:] = [each.settle(worst, actual) for each in accounts]

    for worst, used, settles in steps:
        actual = Amount(min(used.tokens, worst.tokens), min(used.nano_usd, worst.nano_usd))
        if budget.refusal(accounts, worst) is None:
            accounts[:] = [each.reserve(worst) for each in accounts]
            open_.append((worst, actual))
        if settles and open_:
            settle_oldest()
        assert all(_within(each) for each in accounts)
    while open_:
        settle_oldest()
    assert all(_within(each) and not each.reserved for each in accounts)


@given(st.lists(ACCOUNTS, min_size=1, max_size=4), AMOUNTS)
def test_whoever_waits_can_hope_and_whoever_need_not_is_told_what_fits(
    accounts: list[Account], worst: Amount
) -> None:
    refused = budget.refusal(accounts, worst)
    if refused is None:
        assert all(each.covers(worst) for each in accounts)
        return
    assert not refused.left.covers(worst)
    # What is left fits everywhere, whole.
    least = Amount(refused.left.tokens or 0, refused.left.nano_usd or 0)
    assert all(each.covers(least) for each in accounts)
    short = [each for each in accounts if not each.covers(worst)]
    if refused.wait:
        assert all(each.reserved for each in short)
    else:
        emptied = Account(refused.scope, refused.account.caps, refused.account.spent)
        assert not emptied.covers(worst)


@given(ACCOUNTS, AMOUNTS)
def test_nobody_is_refused_whose_worst_case_fits_when_nothing_else_is_reserved(
    account: Account, worst: Amount
) -> None:
    alone = Account(account.scope, account.caps, account.spent)
    if not alone.covers(worst):
        return
    assert budget.refusal([alone], worst) is None
    refused = budget.refusal([account], worst)
    assert refused is None or refused.wait


@given(st.decimals(0, 10**6, allow_nan=False, allow_infinity=False))
def test_a_price_is_rounded_up_by_less_than_a_nano_usd(usd: Decimal) -> None:
    assert 0 <= budget.usd(budget.nano_usd(usd)) - usd < Decimal(1) / budget.NANO


@given(
    st.lists(st.tuples(st.integers(0, 100), st.none() | st.integers(0, 100)), max_size=8),
    st.integers(0, 100),
)
def test_working_time_counts_every_millisecond_once_however_it_is_cut(
    drawn: list[tuple[int, int | None]], cut: int
) -> None:
    spans = [(begin, end if end is None else max(begin, end)) for begin, end in drawn]
    by_hand = sum(
        any(begin <= moment < (100 if end is None else end) for begin, end in spans)
        for moment in range(100)
    )
    assert budget.worked(spans, 0, 100) == by_hand
    early = [(begin, end) for begin, end in spans if begin < cut]
    assert budget.worked(early, 0, cut) + budget.worked(spans, cut, 100) == by_hand


def test_nothing_is_left_below_nothing() -> None:
    over = Account(Scope.TASK, Caps(tokens=10), Amount(tokens=12))
    assert over.left == Left(0, None)


def _within(account: Account) -> bool:
    used = account.spent + account.reserved
    return (account.caps.tokens is None or used.tokens <= account.caps.tokens) and (
        account.caps.nano_usd is None or used.nano_usd <= account.caps.nano_usd
    )
