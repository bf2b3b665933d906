"""Budgets and usage: what may be sent."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from conductor_app.api.schemas.base import Id, Line, PageQuery, Query, Strict, Text
from conductor_app.domain.budget import nano_usd
from conductor_app.domain.budget_names import is_day

Dimension = Literal["day", "project", "execution", "task", "agent", "connector", "model"]
_MS = 60_000


def _day(text: str) -> str:
    if not is_day(text):
        raise ValueError("write a day as YYYY-MM-DD")
    return text


Day = Annotated[Text, AfterValidator(_day)]
Tokens = Annotated[int, Field(strict=True, ge=0, le=10**15)]
Usd = Annotated[Decimal, Field(ge=0, le=10**7, decimal_places=9)]
Minutes = Annotated[float, Field(ge=0, le=10**6)]


class BudgetPath(Query):
    budget: Line = Field(
        description="installation, project:NAME, execution:ID or task:ID; of the first two also "
        "another day (UTC): installation:2027-01-15"
    )


class BudgetsQuery(Query):
    project: Line | None = Field(None, description="Id, name, path or URL")
    execution: Id | None = Field(None, description="With its own budget and those of its tasks")


class Reasoned(Strict):
    reason: Line = Field(description="Kept with the change")


class Given(Reasoned):
    """Amounts by unit; what is left out stays."""

    tokens: Tokens | None = None
    usd: Usd | None = None
    minutes: Minutes | None = None

    def amounts(self) -> dict[str, int | None]:
        """What was given, in the units of the ledger."""
        known: Mapping[str, int | None] = {
            "tokens": self.tokens,
            "nano_usd": None if self.usd is None else nano_usd(self.usd),
            "working_ms": None if self.minutes is None else round(self.minutes * _MS),
        }
        names = {"tokens": "tokens", "nano_usd": "usd", "working_ms": "minutes"}
        return {unit: known[unit] for unit, name in names.items() if name in self.model_fields_set}

    @model_validator(mode="after")
    def _something(self) -> "Given":
        if not self.model_fields_set & {"tokens", "usd", "minutes"}:
            raise ValueError("give `tokens`, `usd` or `minutes`")
        return self


class SetCaps(Given):
    """New caps; null is no cap."""


class RaiseCaps(Given):
    """So much more than now."""

    @model_validator(mode="after")
    def _more(self) -> "RaiseCaps":
        if not all(self.amounts().values()):
            raise ValueError("a cap is raised by more than 0")
        return self

    def more(self) -> dict[str, int]:
        return {unit: amount for unit, amount in self.amounts().items() if amount}


class UsageQuery(PageQuery):
    by: Dimension = Field("day", description="What the sums are of")
    project: Line | None = Field(None, description="Id, name, path or URL")
    execution: Id | None = None
    since: Day | None = Field(None, description="From this day (UTC), YYYY-MM-DD")
    until: Day | None = Field(None, description="Up to and with this day (UTC)")

    def period(self) -> dict[str, Any]:
        return {"since": self.since, "until": self.until}
