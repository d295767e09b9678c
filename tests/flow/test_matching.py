"""Every key finds its one place, or a reason that says what to do; nothing is left on the disk."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.rows import Place, Rejection, RowKey
from pipeline.io.matching import Candidate, Matching, OwnTitle
from pipeline.ports import MatchRule

pytestmark = pytest.mark.anyio


@pytest.fixture
async def matching(tmp_path: Path) -> AsyncIterator[Matching]:
    async with Matching(tmp_path / "scratch", MatchRule()) as found:
        yield found


def key(name: str, title: str, ordinal: int = 0) -> RowKey:
    return RowKey(name, ordinal, title, labels=3)


async def reasons(matching: Matching) -> dict[str, str]:
    return {problem.key.key: problem.reason async for problem in matching.problems()}


def ids(found: Sequence[Place | Rejection]) -> list[str | None]:
    return [place.id if isinstance(place, Place) else None for place in found]


async def test_each_key_finds_its_place_with_its_details_in_the_order_asked_for(matching: Matching) -> None:
    places = [Candidate(f"id {n}", f"{n}.jpg", details=f'{n} "\N{PILCROW SIGN}"\0\\') for n in range(2500)]
    await matching.add_places(places)
    keys = [key(f"key {n}", f"{n}.jpg", n) for n in range(2499, -1, -1)]
    await matching.add_keys(keys)
    assert await matching.of(keys) == [Place(place.id, place.title, place.details) for place in places[::-1]]
    assert await reasons(matching) == {}


async def test_what_is_missing_ambiguous_or_twice_used_is_told_before_the_first_write(
    matching: Matching,
) -> None:
    await matching.add_places([Candidate("A", "a.jpg"), Candidate("B1", "b.jpg"), Candidate("C", "c.jpg")])
    await matching.add_places([Candidate("B2", "b.jpg"), Candidate("D", "d.jpg")])
    titles = {"ka": "a.jpg", "kb": "b.jpg", "kc1": "c.jpg", "kx": "x.jpg", "kc2": "c.jpg", "ke": ""}
    keys = [key(name, title, n) for n, (name, title) in enumerate(titles.items())]
    await matching.add_keys(keys[:4])
    await matching.add_keys(keys[4:])
    found = [problem async for problem in matching.problems()]
    assert [(problem.key.key, problem.key.ordinal, problem.key.labels) for problem in found] == [
        ("kb", 1, 3), ("kc1", 2, 3), ("kx", 3, 3), ("kc2", 4, 3), ("ke", 5, 3)
    ]  # fmt: skip
    told = {problem.key.key: problem.reason for problem in found}
    assert told["kb"].startswith(
        "row 'kb': the target has several rows with the title 'b.jpg': ids 'B1', 'B2'; "
    )
    assert told["kx"].startswith("row 'kx': the target has no row with the title 'x.jpg'; ")
    assert told["ke"].startswith("row 'ke': it has no title, and rows are matched by title; ")
    assert "as has 'kc2', and both would go to the one target row 'C'" in told["kc1"]
    assert "as has 'kc1', and both would go to the one target row 'C'" in told["kc2"]
    places = await matching.of(keys)
    assert ids(places) == ["A", None, None, None, None, None]
    assert {place.key.key: place.reason for place in places if isinstance(place, Rejection)} == told


async def test_a_place_that_is_listed_twice_is_one_place(matching: Matching) -> None:
    await matching.add_places([Candidate("A", "a.jpg", details="1"), Candidate("A", "a.jpg", details="1")])
    await matching.add_keys([key("k", "a.jpg")])
    assert await reasons(matching) == {}
    assert ids(await matching.of([key("k", "a.jpg")])) == ["A"]


async def test_of_a_source_that_is_read_once_the_first_key_has_the_place(matching: Matching) -> None:
    await matching.add_places([Candidate("A", "a.jpg"), Candidate("B", "b.jpg")])
    first, second = key("k1", "a.jpg"), key("k2", "a.jpg")
    assert ids(await matching.of([first])) == ["A"]
    found = await matching.of([second, key("k3", "b.jpg"), first])
    assert ids(found) == [None, "B", "A"]
    assert isinstance(found[0], Rejection)
    assert "as has 'k1'" in found[0].reason
    assert await reasons(matching) == {}


async def test_places_and_keys_can_be_added_after_the_first_question(matching: Matching) -> None:
    await matching.add_places([Candidate("A", "a.jpg")])
    assert ids(await matching.of([key("k", "b.jpg")])) == [None]
    await matching.add_places([Candidate("B", "b.jpg")])
    assert ids(await matching.of([key("k", "b.jpg")])) == ["B"]


@pytest.mark.parametrize(
    ("by", "place", "row"),
    [
        ("path", Candidate("A", "x", path="f/a.jpg"), RowKey("k", 0, "y", path="f/a.jpg")),
        ("external_id", Candidate("A", external_id="7"), RowKey("k", 0, external_id="7")),
        ("camera", Candidate("A", metadata={"camera": "left"}), RowKey("k", 0, metadata={"camera": "left"})),
        ("number", Candidate("A", metadata={"number": 7}), RowKey("k", 0, metadata={"number": "7"})),
        ("at", Candidate("A", metadata={"at": [1, 2]}), RowKey("k", 0, metadata={"at": [1, 2]})),
    ],
)
async def test_rows_match_by_what_the_job_names(
    tmp_path: Path, by: str, place: Candidate, row: RowKey
) -> None:
    async with Matching(tmp_path, MatchRule(by)) as matching:
        await matching.add_places([Candidate("Z", "k"), place])
        await matching.add_keys([row, RowKey("other", 1, "k")])
        assert ids(await matching.of([row])) == ["A"]
        assert list(await reasons(matching)) == ["other"]
        assert f"it has no {by}" in (await reasons(matching))["other"]


@given(
    listing=st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from("uvwxyz")), max_size=12),
    wanted=st.lists(st.sampled_from("uvwxyz"), max_size=8),
)
def test_places_and_problems_agree_with_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, listing: list[tuple[str, str]], wanted: list[str]
) -> None:
    async def check() -> None:
        keys = [key(f"k{n}", title, n) for n, title in enumerate(wanted)]
        async with Matching(tmp_path_factory.getbasetemp(), MatchRule()) as matching:
            await matching.add_places([Candidate(id_, title) for id_, title in listing])
            await matching.add_keys(keys)
            problems = set(await reasons(matching))
            found = ids(await matching.of(keys))
        for row, id_ in zip(keys, found, strict=True):
            places = {place for place, title in listing if title == row.title}
            good = len(places) == 1 and wanted.count(row.title) == 1
            assert id_ == (next(iter(places)) if good else None)
            assert (row.key in problems) is not good

    anyio.run(check)


KINDS = [MatchRule(), MatchRule("external_id")]
names = st.sampled_from(["", *"uvwxyz"])
some = st.lists(st.tuples(st.sampled_from("ABCDE"), names, names), max_size=6)
steps = st.lists(st.tuples(st.sampled_from(["places", "keys", "of", "of", "problems"]), some), max_size=8)

Steps = list[tuple[str, list[tuple[str, str, str]]]]


async def done(steps: Steps, folder: Path, rule: MatchRule, *, creates: bool) -> list[Any]:
    found: list[Any] = []
    async with Matching(folder, rule, creates=creates) as matching:
        for step, given in steps:
            keys = [RowKey(name, 0, title, external_id=other) for name, title, other in given]
            match step:
                case "places":
                    places = [Candidate(id_, title, external_id=other) for id_, title, other in given]
                    await matching.add_places(places)
                case "keys":
                    await matching.add_keys(keys)
                case "of":
                    found.append(await matching.of(keys))
                case _:
                    found.append(await reasons(matching))
    return found


@given(steps=steps, rule=st.sampled_from(KINDS), creates=st.booleans(), few=st.integers(1, 12))
def test_it_makes_no_difference_how_many_places_are_kept_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    steps: Steps,
    rule: MatchRule,
    creates: bool,  # noqa: FBT001 - hypothesis gives it by name
    few: int,
) -> None:
    found = []
    for kept in (0, 400 * few, 1 << 22):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pipeline.io.few_places.FEW_BYTES", kept)
            work = partial(done, steps, tmp_path_factory.getbasetemp(), rule, creates=creates)
            found.append(anyio.run(work))
    assert found[1] == found[0]
    assert found[2] == found[0]


async def test_who_asks_first_has_the_place_also_while_places_leave_memory(matching: Matching) -> None:
    await matching.add_places([Candidate(f"P{n}", f"t{n}") for n in range(20)])
    found: dict[int, list[str | None]] = {0: ids(await matching.of([key("a", "t1")]))}

    async def ask(number: int, *keys: RowKey) -> None:
        found[number] = ids(await matching.of(keys))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, 1, key("b", "missing"), key("x", "t2"))
        group.start_soon(ask, 2, key("y", "t2"))
        group.start_soon(ask, 3, key("c", "t1"))
        group.start_soon(ask, 4, key("a", "t1"), key("d", "t4"))
    assert found == {0: ["P1"], 1: [None, "P2"], 2: [None], 3: [None], 4: ["P1", "P4"]}


async def test_nothing_is_left_on_the_disk(tmp_path: Path) -> None:
    async with Matching(tmp_path, MatchRule()) as matching:
        await matching.add_places([Candidate(str(n), str(n), details="x" * 100) for n in range(20_000)])
        assert not (tmp_path / "matching.db").exists()
    assert not (tmp_path / "matching.db").exists()


MILLION = """
import resource, sys, anyio
from pathlib import Path
from pipeline.core.rows import RowKey
from pipeline.io.matching import Candidate, Matching
from pipeline.ports import MatchRule

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def main():
    async with Matching(Path(sys.argv[1]), MatchRule()) as matching:
        for step in range(1, 5):
            for first in range((step - 1) * 50_000, step * 50_000, 1000):
                numbers = range(first, first + 1000)
                places = [Candidate(f"id {n:032}", f"title {n:032}", details="x" * 64) for n in numbers]
                await matching.add_places(places)
                await matching.add_keys([RowKey(f"key {n:032}", n, f"title {n:032}") for n in numbers])
            if step == 1:
                start = peak()
        async for problem in matching.problems():
            raise AssertionError(problem)
        await matching.of([RowKey(f"key {n:032}", n, f"title {n:032}") for n in range(777, 200_000, 1000)])
        print(peak() - start)

anyio.run(main)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MILLION, str(tmp_path)]
    grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # 200,000 keys and places are 70 MB in this file, and more as Python's own objects.
    assert int(grown) < 24


# ---- rows that are to be created -------------------------------------------------------------------


@pytest.fixture
async def creating(tmp_path: Path) -> AsyncIterator[Matching]:
    async with Matching(tmp_path / "scratch", MatchRule(), creates=True) as found:
        yield found


async def test_a_key_without_a_row_gets_a_new_place_and_every_other_problem_stays(creating: Matching) -> None:
    await creating.add_places([Candidate("A", "a.jpg"), Candidate("B1", "b.jpg"), Candidate("B2", "b.jpg")])
    titles = {"ka": "a.jpg", "kb": "b.jpg", "kn": "n.jpg", "kx1": "x.jpg", "kx2": "x.jpg", "ke": ""}
    keys = [key(name, title, n) for n, (name, title) in enumerate(titles.items())]
    await creating.add_keys(keys)
    told = await reasons(creating)
    assert list(told) == ["kb", "kx1", "kx2", "ke"]
    assert "several rows" in told["kb"]
    assert "it has the title 'x.jpg', as has 'kx2', and both would become one new row" in told["kx1"]
    assert "as has 'kx1'" in told["kx2"]
    assert "it has no title" in told["ke"]
    places = await creating.of(keys)
    assert ids(places) == ["A", None, "", None, None, None]
    assert places[2] == Place("", "n.jpg")
    assert isinstance(places[2], Place)
    assert places[2].is_new
    assert isinstance(places[0], Place)
    assert not places[0].is_new
    assert {place.key.key: place.reason for place in places if isinstance(place, Rejection)} == told


async def test_of_a_source_that_is_read_once_the_first_key_gets_the_new_place(creating: Matching) -> None:
    await creating.add_places([Candidate("A", "a.jpg")])
    first, twin, other = key("k1", "n.jpg"), key("k2", "n.jpg"), key("k3", "m.jpg")
    found = await creating.of([first, twin, key("k4", "a.jpg")])
    assert ids(found) == ["", None, "A"]
    assert isinstance(found[1], Rejection)
    assert "as has 'k1', and both would become one new row" in found[1].reason
    assert ids(await creating.of([twin, other, first])) == [None, "", ""]


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize(
    ("own_title", "new"),
    [(OwnTitle.AMONG_ALL, "c"), (OwnTitle.AMONG_SOURCE, "ac"), (OwnTitle.NEED_NOT, "abcd")],
)
async def test_with_whom_a_new_row_may_share_its_title_is_the_choice_of_the_adapter(
    tmp_path: Path, own_title: OwnTitle, new: str, *, once: bool
) -> None:
    titles = {"a": "0", "b": "1", "c": "2", "d": "1"}
    keys = [RowKey(name, n, title, name) for n, (name, title) in enumerate(titles.items())]
    async with Matching(tmp_path, MatchRule("path"), creates=True, own_title=own_title) as matching:
        await matching.add_places([Candidate("id 0", "0", "z")])
        if not once:
            await matching.add_keys(keys)
            assert set(await reasons(matching)) == {row.key for row in keys if row.key not in new}
        found = await matching.of(keys)
    given = {row.key for row, place in zip(keys, found, strict=True) if isinstance(place, Place)}
    # Of a source that is read once, the first one of a title has it.
    assert given == (set(new) | {"b"} if once else set(new))


@pytest.mark.parametrize("keyed", [True, False])
async def test_where_rows_match_by_something_else_a_new_one_needs_a_title_of_its_own(
    tmp_path: Path, *, keyed: bool
) -> None:
    def row(name: str, title: str) -> RowKey:
        return RowKey(name, 0, title, external_id=f"id of {name}")

    keys = [row("k1", "n.jpg"), row("k2", "n.jpg"), row("k3", "a.jpg"), row("k4", ""), row("k5", "m.jpg")]
    async with Matching(tmp_path, MatchRule("external_id"), creates=True) as matching:
        await matching.add_places([Candidate("A", "a.jpg", external_id="id of nobody")])
        await matching.add_places([Candidate("B", "m.jpg", external_id="id of k6")])
        keys.append(row("k6", "any title"))
        if keyed:
            await matching.add_keys(keys)
        found = await matching.of(keys)
        assert ids(found) == [None if keyed else "", None, None, None, None, "B"]
        told = {place.key.key: place.reason for place in found if isinstance(place, Rejection)}
        assert "it has the title 'n.jpg', as has 'k1', and a new row needs a title of its own" in told["k2"]
        assert "none with the external_id 'id of k3', but one with the title 'a.jpg'" in told["k3"]
        assert "it has no title" in told["k4"]
        assert await reasons(matching) == (told if keyed else {})
        if not keyed:
            assert ids(await matching.of([row("k7", "n.jpg"), row("k1", "n.jpg")])) == [None, ""]


@given(
    listing=st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from("uvwxyz")), max_size=12),
    wanted=st.lists(st.sampled_from("uvwxyz"), max_size=8),
)
def test_new_places_and_problems_agree_with_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, listing: list[tuple[str, str]], wanted: list[str]
) -> None:
    async def check() -> None:
        keys = [key(f"k{n}", title, n) for n, title in enumerate(wanted)]
        async with Matching(tmp_path_factory.getbasetemp(), MatchRule(), creates=True) as matching:
            await matching.add_places([Candidate(id_, title) for id_, title in listing])
            await matching.add_keys(keys)
            problems = set(await reasons(matching))
            found = ids(await matching.of(keys))
        for row, id_ in zip(keys, found, strict=True):
            places = {place for place, title in listing if title == row.title}
            good = len(places) <= 1 and wanted.count(row.title) == 1
            assert id_ == (next(iter(places), "") if good else None)
            assert (row.key in problems) is not good

    anyio.run(check)
