"""A listing is found again by id and in its order, whether it is kept in memory or in a file."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io import entries
from pipeline.io.entries import Entries

heads = msgspec.json.Decoder(list[tuple[int, str]])
bodies = msgspec.json.Decoder(list[tuple[int, dict[str, Any]]])

ids = st.one_of(st.integers(0, 9), st.sampled_from("0123ab"))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 3), st.lists(ids, max_size=6)),
        st.tuples(st.just("forget"), st.integers(1, 3), st.just([])),
        st.tuples(st.just("bodies"), st.just(0), st.lists(ids, max_size=6)),
        st.tuples(st.just("heads"), st.just(0), st.just([])),
    ),
    max_size=10,
)


def body(number: int, id_: str | int) -> dict[str, Any]:
    return {"id": id_, "list": number, "text": "\u00e9" * 20}


async def done(steps: list[tuple[str, int, list[Any]]], folder: Path) -> list[Any]:
    found: list[Any] = []
    async with Entries(folder, heads, bodies) as kept:
        for step, number, asked in steps:
            match step:
                case "put":
                    given = [msgspec.Raw(msgspec.json.encode(body(number, id_))) for id_ in asked]
                    found.append(await kept.put(number, asked, [repr(id_) for id_ in asked], given))
                case "forget":
                    await kept.forget(number)
                case "bodies":
                    found.append(sorted(await kept.bodies(asked), key=str))
                case _:
                    found.append([head async for some in kept.heads() for head in some])
    return found


def told(steps: list[tuple[str, int, list[Any]]]) -> list[Any]:
    """What a dictionary says."""
    found: list[Any] = []
    known: dict[str | int, int] = {}
    for step, number, asked in steps:
        match step:
            case "put":
                found.append(len(set(asked) - known.keys()))
                for id_ in asked:
                    known.setdefault(id_, number)
            case "forget":
                known = {id_: at for id_, at in known.items() if at != number}
            case "bodies":
                some = [(known[id_], body(known[id_], id_)) for id_ in set(asked) & known.keys()]
                found.append(sorted(some, key=str))
            case _:
                found.append(list(map(repr, known)))
    return found


@given(steps=steps, few=st.integers(0, 1000))
def test_it_makes_no_difference_where_entries_are_kept(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, list[Any]]], few: int
) -> None:
    for most in (-1, few, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(entries, "FEW_BYTES", most)
            assert anyio.run(partial(done, steps, tmp_path_factory.getbasetemp())) == told(steps)
