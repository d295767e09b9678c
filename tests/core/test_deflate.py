"""Deflate blocks from chosen pieces, judged by zlib."""

import heapq
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.codecs._deflate import (
    _CODE_DEEPEST,
    _DEEPEST,
    FARTHEST,
    LONGEST,
    NOTHING,
    SHORTEST,
    Backs,
    Column,
    Copies,
    Literals,
    Numbers,
    Repeats,
    _code_lengths,
    _codes,
    deflated,
)


class Said(NamedTuple):
    """A column by what it says of each row: a byte, how often `of`, how many from `of` back, or whence."""

    kind: type[Literals | Copies | Repeats | Backs]
    rows: list[int]
    of: int = 0

    def column(self) -> Column:
        rows = np.array(self.rows, np.int64)
        return self.kind(self.of, rows) if self.kind in {Copies, Repeats} else self.kind(rows)  # type: ignore[call-arg, arg-type]

    def write(self, row: int, out: bytearray) -> None:
        said = self.rows[row]
        if self.kind is Literals:
            out += b"" if said == NOTHING else bytes([said])
        elif self.kind is Copies:
            out += bytes([self.of]) * said
        else:
            distance, size = (self.of, said) if self.kind is Repeats else (said, 4 if said else 0)
            assert not size or (size >= SHORTEST and distance <= len(out))
            for _ in range(size):
                out.append(out[-distance])


def inflated(data: bytes) -> bytes:
    """Read a raw stream that must be whole, with nothing behind it."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    out = stream.decompress(data) + stream.flush()
    assert stream.eof
    assert stream.unused_data == b""
    return out


def survives(first: bytes, *table: Said) -> bytes:
    """Check that zlib reads the bytes that the table stands for, row by row, and return the stream."""
    out = bytearray(first)
    for row in range(len(table[0].rows)):
        for said in table:
            said.write(row, out)
    data = deflated(first, [said.column() for said in table])
    assert inflated(data) == out
    return data


def literals(values: Sequence[int]) -> Said:
    return Said(Literals, list(values))


def fibonacci(count: int) -> list[int]:
    found = [1, 1]
    while len(found) < count:
        found.append(found[-1] + found[-2])
    return found


def columns(rows: int) -> st.SearchStrategy[Said]:
    def each(values: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
        return st.lists(values, min_size=rows, max_size=rows)

    sizes = st.just(0) | st.integers(SHORTEST, 300) | st.integers(SHORTEST, 20_000)
    return st.one_of(
        st.builds(Said, st.just(Literals), each(st.integers(0, NOTHING))),
        st.builds(Said, st.just(Copies), each(st.integers(0, 4)), st.integers(0, 255)),
        st.builds(Said, st.just(Repeats), each(sizes), st.integers(1, 4)),
        st.builds(Said, st.just(Backs), each(st.just(0) | st.integers(1, 40))),
    )


@given(
    st.binary(min_size=40, max_size=60),
    st.integers(0, 12).flatmap(lambda rows: st.lists(columns(rows), min_size=1, max_size=9)),
)
def test_any_table_is_read_by_zlib(first: bytes, table: list[Said]) -> None:
    survives(first, *table)


@pytest.mark.parametrize("distances", [(), (1,), (4,), (1, 4), (2, 3)])
@pytest.mark.parametrize("first", [b"\0\0\0\0", b"\1\2\3\4", b"\xff\0\xfe\1"])
def test_every_length_from_every_distance_is_read(distances: tuple[int, ...], first: bytes) -> None:
    sizes = [0, *range(SHORTEST, 4 * LONGEST + 5)]
    survives(first, literals([NOTHING] * len(sizes)), *(Said(Repeats, sizes, of) for of in distances))


def test_every_way_back_is_read() -> None:
    first = np.random.default_rng(0).bytes(FARTHEST)
    survives(first, Said(Backs, [*range(FARTHEST + 1)]))
    for distance in (0, 1, FARTHEST):
        survives(first, Said(Backs, [distance]))


@pytest.mark.parametrize(
    "last", [Said(Repeats, [0] * 256, 1), Said(Repeats, [3] * 256, 1), Said(Repeats, [LONGEST] * 256, 4)]
)
def test_one_kind_of_piece_and_all_kinds_of_literals_are_read(last: Said) -> None:
    survives(bytes([7, 7, 7, 7]), last)
    survives(bytes(4), literals(range(256)), last)
    survives(bytes([7]), literals([NOTHING]))
    survives(bytes([7]), literals([]))


@pytest.mark.parametrize("rare", [True, False])
@pytest.mark.parametrize("most", [2, 40, 3000])
def test_runs_of_many_times_the_longest_length_are_read(most: int, rare: bool) -> None:  # noqa: FBT001
    """So many are more than a word holds, all the more where their code is a long one."""
    sizes = [LONGEST * times + more for times in (0, 1, most // 2, most) for more in (0, 3, 4, 257)]
    others = np.repeat(np.arange(20), fibonacci(20)).tolist() if rare else [5]
    pad = [0] * (len(others) - len(sizes))
    sizes += pad
    others += [NOTHING] * (len(sizes) - len(others))
    backwards = literals(others[::-1])
    survives(b"\1\2\3\4", literals(others), Said(Repeats, sizes, 4), Said(Repeats, sizes, 1), backwards)


def test_rows_of_more_bits_than_a_word_are_read() -> None:
    rare = np.random.default_rng(0).permutation(256).tolist()
    common = fibonacci(18)
    values = [*np.repeat(np.arange(18), common).tolist(), *rare]
    table = [literals(np.roll(values, 7 * at).tolist()) for at in range(5)]
    ways = np.random.default_rng(1).integers(1, 200, len(values)).tolist()
    survives(bytes(200), *table, Said(Copies, [4] * len(values), 18), Said(Backs, ways), table[0])


@pytest.mark.parametrize("count", [16, 18, 24])
def test_literals_as_rare_as_fibonacci_numbers_need_codes_that_are_cut_to_15_bits(count: int) -> None:
    counts = fibonacci(count)
    survives(b"", literals(np.repeat(np.arange(count), counts).tolist()))
    survives(b"", literals(np.repeat(np.arange(count)[::-1], counts).tolist()))
    assert _code_lengths(np.array(counts), 40).max() == count - 1
    assert _code_lengths(np.array(counts), _DEEPEST).max() <= _DEEPEST


@pytest.mark.parametrize("count", [9, 12, 19])
def test_the_code_for_code_lengths_is_cut_to_7_bits(count: int) -> None:
    counts = np.array(fibonacci(count))
    assert _code_lengths(counts, 40).max() > _CODE_DEEPEST
    lengths = _code_lengths(counts, _CODE_DEEPEST)
    assert lengths.max() <= _CODE_DEEPEST
    complete(lengths)


def test_many_lengths_of_codes_are_told() -> None:
    """The lengths of the codes vary so much that their own code is a deep one."""
    counts = fibonacci(22)
    spread = [at * 11 for at in range(22)]
    values = [*np.repeat(spread, counts).tolist(), *[NOTHING] * 40]
    repeats = (Said(Repeats, [0] * (len(values) - 40) + [size] * 40, of) for size, of in ((3, 1), (5, 4)))
    survives(b"", literals(values), *repeats)


counted = st.lists(st.integers(0, 5) | st.integers(0, 1 << 30), min_size=2, max_size=286).filter(
    lambda counts: sum(map(bool, counts)) > 1
)


@given(counted)
def test_codes_are_complete_and_none_begins_another(counts: list[int]) -> None:
    array = np.array(counts)
    lengths = _code_lengths(array, _DEEPEST)
    assert ((lengths > 0) == (array > 0)).all(), "each symbol that occurs has a code, and no other"
    assert lengths.max() <= _DEEPEST
    complete(lengths)
    codes = _codes(lengths)
    used = np.flatnonzero(lengths).tolist()
    words = sorted(f"{int(codes[at]):0{int(lengths[at])}b}"[::-1] for at in used)
    assert not any(later.startswith(earlier) for earlier, later in pairwise(words))


@given(counted)
def test_codes_that_need_not_be_cut_are_the_shortest(counts: list[int]) -> None:
    lengths = _code_lengths(np.array(counts), 300)
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    least = 0
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        heapq.heappush(heap, joined)
        least += joined  # one bit more for each of them
    assert sum(count * int(length) for count, length in zip(counts, lengths, strict=True)) == least


def test_a_single_symbol_has_a_code_of_one_bit() -> None:
    assert _code_lengths(np.array([0, 9, 0]), _DEEPEST).tolist() == [0, 1, 0]


def complete(lengths: Numbers) -> None:
    """Check that the codes leave no sequence of bits without a meaning, as zlib demands."""
    assert sum(1 << _DEEPEST - int(length) for length in lengths if length) == 1 << _DEEPEST
