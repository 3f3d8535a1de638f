"""The tables of the team journal. Change one and raise SCHEMA_VERSION with a migration beside it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

SCHEMA_VERSION = 1
PREFIX = "distill_"
"""Before every table's name: the database may be shared with other things."""

METADATA = MetaData()

META = Table(
    f"{PREFIX}meta",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
OWNERS = Table(
    f"{PREFIX}owners",
    METADATA,
    Column("owner", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", Text, nullable=False),
    Column("expires", Double, nullable=False),
)
REQUESTS = Table(
    f"{PREFIX}requests",
    METADATA,
    Column("key", Text(collation="C"), primary_key=True),
    Column("sample", Integer, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("error_kind", Text),
    Column("error", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
)
ANSWERS = Table(
    f"{PREFIX}answers",
    METADATA,
    Column("key", Text(collation="C"), primary_key=True),
    Column("raw", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
    Column("model_served", Text, nullable=False),
    Column("provider_request_id", Text),
    Column("fingerprint", Text),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("estimated", Integer, nullable=False),
    Column("cost_usd", Double),
    Column("latency_ms", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("shape_sent", Text),
    Column("stored", Double, nullable=False),
)
ATTEMPTS = Table(
    f"{PREFIX}attempts",
    METADATA,
    Column("key", Text(collation="C"), nullable=False),
    Column("started", Double, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("status", Integer),
    Column("error_kind", Text),
    Column("error", Text),
    Column("cost_usd", Double),
    Column("provider_request_id", Text),
    # a write whose answer was lost on the way is sent again: the same attempt must not count twice
    PrimaryKeyConstraint("key", "started", "latency_ms"),
)
