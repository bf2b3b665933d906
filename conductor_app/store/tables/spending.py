"""What calls of models may cost and what they did: budgets, reservations, usage."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Integer, Table, Text

from conductor_app.store.tables.base import metadata, where

# What may be spent within a scope, and what was. No foreign keys here or in the two tables below:
# checking one would wait for the lock of an execution, whose holder may be waiting for this row.
budgets = Table(
    "budgets",
    metadata,
    # Its scope in words: `installation:<day>`, `project:<id>:<day>`, `execution:<id>`, `task:<id>`.
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    # The UTC day (YYYY-MM-DD) of a daily budget.
    Column("day", Text),
    Column("execution_id", Text),
    # NULL is no cap.
    Column("tokens_cap", BigInteger),
    Column("nano_usd_cap", BigInteger),
    Column("working_ms_cap", BigInteger),
    Column("tokens_spent", BigInteger, nullable=False, server_default="0"),
    Column("nano_usd_spent", BigInteger, nullable=False, server_default="0"),
    Column("tokens_reserved", BigInteger, nullable=False, server_default="0"),
    Column("nano_usd_reserved", BigInteger, nullable=False, server_default="0"),
    # Working time up to `worked_until`; attempts that were active then began at `working_from` or
    # later.
    Column("working_ms_spent", BigInteger, nullable=False, server_default="0"),
    Column("worked_until", BigInteger, nullable=False, server_default="0"),
    Column("working_from", BigInteger, nullable=False, server_default="0"),
    # From this share of a cap, in per cent, the alert is due; it is given once.
    Column("alert_percent", Integer),
    Column("alerted_at", BigInteger),
    # Tokens added to the cap when a person opens the pool.
    Column("emergency_tokens", BigInteger, nullable=False, server_default="0"),
    Column("emergency_at", BigInteger),
    Column("emergency_by", Text),
    Column("emergency_reason", Text),
    # Who let calls be made whose price nobody knows, and why.
    Column("unknown_price_by", Text),
    Column("unknown_price_reason", Text),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint(
        "tokens_spent >= 0 AND nano_usd_spent >= 0 AND working_ms_spent >= 0", name="spent"
    ),
    CheckConstraint("tokens_reserved >= 0 AND nano_usd_reserved >= 0", name="reserved"),
    Index("ix_budgets_execution_id", "execution_id"),
    Index("ix_budgets_day", "day"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("execution_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("attempt_id", Text, nullable=False),
    # The UTC day whose budgets it is taken from.
    Column("day", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("nano_usd", BigInteger, nullable=False),
    # Whether `nano_usd` is a price; without one it is 0.
    Column("priced", Boolean, nullable=False),
    # open or settled
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    CheckConstraint("tokens >= 0 AND nano_usd >= 0", name="amount"),
    Index("ix_reservations_open", "attempt_id", **where("status = 'open'")),
)

usage = Table(
    "usage",
    metadata,
    Column("id", Text, primary_key=True),
    # NULL for what a program spent that was never asked beforehand.
    Column("reservation_id", Text, unique=True),
    Column("project_id", Text, nullable=False),
    Column("execution_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("attempt_id", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    # What the budgets were charged with; the parts are known only when it was reported.
    Column("tokens", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    # NULL is unknown.
    Column("nano_usd", BigInteger),
    # The UTC day whose price list it was priced by.
    Column("price_date", Text),
    Column("request_id", Text),
    # reported, assumed (the worst case), or unknown (a program that says nothing)
    Column("basis", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_usage_execution_id", "execution_id"),
    Index("ix_usage_day", "day"),
)
