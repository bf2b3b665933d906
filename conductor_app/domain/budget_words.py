"""Budgets in sentences: what is left, what is spent, and how a person gives more."""

from collections.abc import Sequence

from conductor_app.domain.budget import Account, Amount, Scope, usd
from conductor_app.domain.budget_names import DAILY, IN_WORDS


def title(scope: Scope) -> str:
    """At the beginning of a sentence."""
    words = IN_WORDS[scope]
    return words[0].upper() + words[1:]


def not_covered(account: Account, worst: Amount, spoken: str) -> str:
    """That a budget does not cover a call, by what it falls short, and the way out."""
    left, caps = account.left, account.caps
    words, options = [], []
    if left.tokens is not None and worst.tokens > left.tokens:
        words.append(f"{worst.tokens:,} tokens ({left.tokens:,} of {caps.tokens:,} are left)")
        options.append("--tokens N")
    if left.nano_usd is not None and caps.nano_usd is not None and worst.nano_usd > left.nano_usd:
        words.append(
            f"{_usd(worst.nano_usd)} ({_usd(left.nano_usd)} of {_usd(caps.nano_usd)} are left)"
        )
        options.append("--usd X")
    return (
        f"{title(account.scope)} does not cover the next call, which may take "
        f"{' and '.join(words)}. {way_out(account.scope, spoken, options)}"
    )


def used_up(account: Account, spoken: str) -> str:
    """That nothing more is begun which can't be stopped when it spends too much."""
    left = account.left
    options = ["--tokens N"] if left.tokens == 0 else []
    options += ["--usd X"] if left.nano_usd == 0 else []
    return (
        f"{title(account.scope)} is used up: {spent(account, 100)}. "
        f"{way_out(account.scope, spoken, options)}"
    )


def spent(account: Account, percent: int) -> str:
    """The same of what is spent, where that is at least so many per cent of a cap."""
    words = []
    tokens, money = account.caps.tokens, account.caps.nano_usd
    if tokens is not None and account.spent.tokens * 100 >= tokens * percent:
        words.append(f"{account.spent.tokens:,} of {tokens:,} tokens")
    if money is not None and account.spent.nano_usd * 100 >= money * percent:
        words.append(f"{_usd(account.spent.nano_usd)} of {_usd(money)}")
    return " and ".join(words)


def alert(account: Account, percent: int, spoken: str) -> str:
    """That a budget runs short."""
    return (
        f"{title(account.scope)} runs short: {spent(account, percent)} are spent, which is "
        f"{percent}% or more. When it is used up, its work pauses. Way out: "
        f"`conductor budget raise {spoken} --tokens N --usd X --reason WHY`."
    )


def way_out(scope: Scope, spoken: str, options: Sequence[str]) -> str:
    """How what it stops goes on."""
    said = f"`conductor budget raise {spoken} {' '.join(options)} --reason WHY`, then it goes on"
    tomorrow = "; or `conductor start` on the next day (UTC), which has a budget of its own"
    return f"Way out: {said}{tomorrow if scope in DAILY else ''}."


def _usd(nano: int) -> str:
    return f"{usd(nano):,.4f} USD"
