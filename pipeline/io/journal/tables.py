"""The tables of the journal, and the words in them."""

from enum import StrEnum

import sqlalchemy as sa

VERSION = 1
"""Of the tables below. A journal of a later version is refused."""


class Status(StrEnum):
    """What became of a row so far."""

    PENDING = "pending"
    INTENT = "intent"
    """Its save was about to be sent; whether it arrived is not known."""
    SAVED = "saved"
    VERIFIED = "verified"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    WOULD_SAVE = "would-save"
    """In a dry run."""
    REJECTED = "rejected"


SETTLED = frozenset(Status) - {Status.PENDING, Status.INTENT}

metadata = sa.MetaData()

labelferry = sa.Table(
    "labelferry",
    metadata,
    sa.Column("version", sa.Integer, nullable=False),
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("job", sa.Text, nullable=False, index=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("started", sa.Text, nullable=False),
    sa.Column("ended", sa.Text),
    sa.Column("outcome", sa.Text),
)

# Rows are numbered in the order in which they come. Saves then change neighbours on disk, and what a bundle
# costs does not grow with the job, as it would with keys in an index: their order there is a random one.
row = sa.Table(
    "row",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("decision", sa.Text),
    sa.Column("target", sa.Text),
    sa.Column("digest", sa.Text),
    sa.Column("bundle", sa.Integer),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),
)
ROWS = 1 << 32
"""Numbers of rows that a run has: run 3 has those from 3 * ROWS on."""


def of_run(column: sa.ColumnElement[int], number: int | sa.BindParameter[int]) -> sa.ColumnElement[bool]:
    """Return the condition that a row's number is one of a run's."""
    return column.between(number * ROWS, (number + 1) * ROWS - 1)


bundle = sa.Table(
    "bundle",
    metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

reject = sa.Table(
    "reject",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("line", sa.LargeBinary),
)

step = sa.Table(
    "step",
    metadata,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("marker", sa.Text, nullable=False),
    sa.Column("result", sa.Text),
    sqlite_with_rowid=False,
)

own = sa.MetaData()

number = sa.Table(
    "number",
    own,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("n", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)
"""The number of each key of the present run. Of this connection only: it is made anew when a run goes on."""
