"""What the journal writes for many rows at once, and what it asks about many keys at once.

Every parameter of a writing statement has the name of a column of `Store.many`.
"""

import sqlalchemy as sa
from sqlalchemy import bindparam as given
from sqlalchemy.dialects.sqlite import insert

from pipeline.io.journal.sqlite import listed
from pipeline.io.journal.tables import SETTLED, Status, bundle, number, reject, row, step

HERE = sa.and_(row.c.run == given("of_run"), row.c.n == given("of_n"))


def _said(word: str) -> sa.ColumnElement[str]:
    return sa.literal_column(f"'{word}'", sa.Text)


NEW_NUMBERS = number.insert().values(key=given("key"), n=given("n"))

NEW_ROWS = row.insert().values(
    run=given("run"),
    n=given("n"),
    key=given("key"),
    status=_said(Status.PENDING),
    decision=given("decision"),
    target=given("target"),
    attempts=sa.literal_column("0"),
)
DECIDED = row.update().where(HERE).values(decision=given("decision"), target=given("target"))
INTENDED = (
    row.update()
    .where(HERE)
    .values(
        status=_said(Status.INTENT),
        digest=given("digest"),
        bundle=given("bundle"),
        attempts=row.c.attempts + sa.literal_column("1"),
    )
)
AIMED = row.update().where(HERE).values(target=given("target"))
SAVED = (
    row.update()
    .where(row.c.run == given("of_run"), row.c.n.between(given("first"), given("last")))
    .values(status=_said(Status.SAVED), bundle=given("bundle"), error=sa.null())
)
ENDED = (
    row.update()
    .where(HERE)
    .values(status=given("status"), digest=given("digest"), target=given("target"), error=sa.null())
)
REJECTED = row.update().where(HERE).values(status=_said(Status.REJECTED), error=given("error"))

_new_reject = insert(reject).values(
    run=given("run"), n=given("n"), title=given("title"), stage=given("stage"), line=given("line")
)
REJECTS = _new_reject.on_conflict_do_update(
    index_elements=["run", "n"],
    set_={name: _new_reject.excluded[name] for name in ("title", "stage", "line")},
)
NEW_BUNDLE = bundle.insert().values(run=given("run"), n=given("n"), id=given("id"), rows=given("rows"))
NEW_STEP = (
    insert(step)
    .values(run=given("run"), name=given("name"), key=given("key"), marker=given("marker"))
    .on_conflict_do_nothing()
)

KEYS = listed("keys")
_known = sa.join(KEYS, number, number.c.key == KEYS.c.value)
_rows = _known.join(row, sa.and_(row.c.run == given("run"), row.c.n == number.c.n))

NUMBERS = sa.select(number.c.key, number.c.n).select_from(_known)
"""Of the keys that have one."""
SETTLED_KEYS = sa.select(number.c.key).select_from(_rows).where(row.c.status.in_(sorted(SETTLED)))
DECISIONS = sa.select(number.c.key, row.c.decision).select_from(_rows).where(row.c.decision.is_not(None))
IN_INTENT = (
    sa.select(number.c.key, bundle.c.id)
    .select_from(_rows.join(bundle, sa.and_(bundle.c.run == row.c.run, bundle.c.n == row.c.bundle)))
    .where(row.c.status == Status.INTENT)
)
