"""Budgets in sentences: what is left, what is spent, and how a person gives more."""

from conductor_app.domain.budget import Account, Scope, usd
from conductor_app.domain.budget_names import DAILY, IN_WORDS


def title(scope: Scope) -> str:
    """At the beginning of a sentence."""
    words = IN_WORDS[scope]
    return words[0].upper() + words[1:]


def left(account: Account) -> str:
    """`3 of 1,000 tokens are left and 0.0100 of 5 USD are left`, of what has a cap."""
    rest = account.left
    words = []
    if rest.tokens is not None:
        words.append(f"{rest.tokens:,} of {account.caps.tokens:,} tokens are left")
    if rest.nano_usd is not None and account.caps.nano_usd is not None:
        words.append(f"{usd(rest.nano_usd):.4f} of {usd(account.caps.nano_usd)} USD are left")
    return " and ".join(words)


def spent(account: Account, percent: int) -> str:
    """The same of what is spent, where that is at least so many per cent of a cap."""
    words = []
    tokens, money = account.caps.tokens, account.caps.nano_usd
    if tokens is not None and account.spent.tokens * 100 >= tokens * percent:
        words.append(f"{account.spent.tokens:,} of {tokens:,} tokens")
    if money is not None and account.spent.nano_usd * 100 >= money * percent:
        words.append(f"{usd(account.spent.nano_usd):.4f} of {usd(money)} USD")
    return " and ".join(words)


def alert(account: Account, percent: int, spoken: str) -> str:
    """That a budget runs short."""
    return (
        f"{title(account.scope)} runs short: {spent(account, percent)} are spent, which is "
        f"{percent}% or more. When it is used up, its work pauses. Way out: "
        f"`conductor budget raise {spoken} --tokens N --usd X --reason WHY`."
    )


def way_out(scope: Scope, spoken: str) -> str:
    """How what it stops goes on."""
    said = (
        f"Way out: `conductor budget raise {spoken} --tokens N --usd X --reason WHY`, "
        "then it goes on"
    )
    tomorrow = "; or `conductor start` on the next day (UTC), which has a budget of its own"
    return f"{said}{tomorrow if scope in DAILY else ''}."
