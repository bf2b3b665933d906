"""What runs the service: workers, leases, requests that were answered already."""

from sqlalchemy import JSON, BigInteger, Column, Integer, Table, Text

from conductor_app.store.tables.base import metadata

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("queues", JSON, nullable=False),
    Column("slots", Integer, nullable=False),
    # By function, what the agents in Python that it knows say that they can do.
    Column("agents", JSON),
    Column("sandbox", Text),
    Column("status", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    # Since when the holder has been in contact without a gap.
    Column("since", BigInteger, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("request", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
