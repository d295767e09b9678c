"""A refused bundle is sent in parts until every good row is saved and every bad one is named."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BundleRefused, Stopped, TransientError
from pipeline.io.dividing import divided

pytestmark = pytest.mark.anyio


async def answers() -> None:
    """Answer, as a target that is well does."""


async def silent() -> None:
    raise TransientError("no answer")


class Server:
    """Takes bundles whole or not at all; some rows are poison, and no bundle may be larger than a cap."""

    def __init__(self, poison: set[int], cap: int, *, names: bool, status: type[Exception]) -> None:
        self.poison, self.cap, self.names, self.status = poison, cap, names, status
        self.saved: list[int] = []

    async def send(self, rows: Sequence[int], _tries: int | None) -> None:
        if len(rows) > self.cap:
            raise BundleRefused("too many", too_large=True)
        bad = self.poison & set(rows)
        if bad and self.names:
            raise BundleRefused("bad rows", rows={str(row): f"row {row} is bad" for row in bad})
        if bad:
            raise self.status("bad")
        self.saved.extend(rows)


@given(
    count=st.integers(1, 60),
    poison=st.sets(st.integers(0, 59), max_size=15),
    cap=st.integers(1, 60),
    names=st.booleans(),
    status=st.sampled_from([BundleRefused, TransientError]),
)
async def test_exactly_the_bad_rows_are_blamed_and_each_other_is_saved_once(
    count: int, poison: set[int], cap: int, *, names: bool, status: type[Exception]
) -> None:
    rows = list(range(count))
    server = Server(poison, cap, names=names, status=status)
    blamed = await divided(rows, [str(row) for row in rows], server.send, answers)
    assert sorted(row for row, _ in blamed) == sorted(poison & set(rows))
    assert sorted(server.saved) == sorted(set(rows) - poison)


async def test_an_outage_stops_the_run_and_blames_nobody() -> None:
    async def send(_rows: Sequence[int], _tries: int | None) -> None:
        raise TransientError("503")

    with pytest.raises(Stopped, match="resume"):
        await divided([1, 2], ["1", "2"], send, silent)


async def test_a_target_that_saves_nothing_while_it_answers_other_requests_is_an_outage() -> None:
    async def send(_rows: Sequence[int], _tries: int | None) -> None:
        raise TransientError("503")

    with pytest.raises(Stopped, match="no row of this bundle was rejected"):
        await divided(list(range(100)), [str(row) for row in range(100)], send, answers)
