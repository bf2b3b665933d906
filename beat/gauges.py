"""What waits and what is spent, as figures for telemetry: told by whoever carries out the tick."""

from sqlalchemy import func, select

from conductor_app import telemetry
from conductor_app.bootstrap import Conductor
from conductor_app.domain import budget as rules
from conductor_app.domain.budget import Amount, usd
from conductor_app.domain.states import JobState
from conductor_app.store import budgets
from conductor_app.store.database import Transaction
from conductor_app.store.tables import jobs

OPEN = (JobState.QUEUED, JobState.ACTIVE)


class Gauges:
    """Remembers which queues it has told of, so that an empty one is told of as well."""

    def __init__(self) -> None:
        self._queues: set[str] = set()

    def tell(self, conductor: Conductor) -> None:
        """Costs nothing where no telemetry is wanted."""
        if not telemetry.on():
            return
        with conductor.read() as tx:
            self._tell_queues(tx)
            _tell_budget(tx)

    def _tell_queues(self, tx: Transaction) -> None:
        counted = {
            (row.queue, row.status): row.n
            for row in tx.all(
                select(jobs.c.queue, jobs.c.status, func.count().label("n"))
                .where(jobs.c.status.in_(OPEN))
                .group_by(jobs.c.queue, jobs.c.status)
            )
        }
        self._queues |= {queue for queue, _ in counted}
        for queue in self._queues:
            for state in OPEN:
                facts = {"conductor.queue.name": queue, "conductor.job.state": str(state)}
                telemetry.record("conductor.queue.jobs", counted.get((queue, state), 0), facts)


def _tell_budget(tx: Transaction) -> None:
    """Of the installation and today; nothing before the day's first call."""
    row = budgets.get(tx, rules.installation_day(rules.day_of(tx.now)))
    if row is None:
        return
    account = budgets.account(row)
    _tell("spent", account.spent)
    _tell("reserved", account.reserved)
    _tell("cap", Amount(account.caps.tokens or 0, account.caps.nano_usd or 0))


def _tell(state: str, amount: Amount) -> None:
    facts = {"conductor.budget.state": state}
    telemetry.record("conductor.budget.tokens", amount.tokens, facts)
    telemetry.record("conductor.budget.cost", float(usd(amount.nano_usd)), facts)


gauges = Gauges()
