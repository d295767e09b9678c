"""Deflate blocks from chosen tokens, judged by zlib."""

import heapq
import zlib
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.codecs._deflate import (
    _CODE_DEEPEST,
    _DEEPEST,
    LONGEST,
    REPEAT,
    Tokens,
    _code_lengths,
    _codes,
    deflated,
)


def said(tokens: Iterable[int]) -> bytes:
    """Return the bytes that tokens stand for, one after the other."""
    out = bytearray()
    for token in tokens:
        if token < 256:
            out.append(token)
            continue
        distance, start = next(pair for pair in reversed(REPEAT.items()) if token >= pair[1])
        assert 3 <= token - start <= LONGEST
        for _ in range(token - start):
            out.append(out[-distance])
    return bytes(out)


def inflated(data: bytes) -> bytes:
    """Read a raw stream that must be whole, with nothing behind it."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    out = stream.decompress(data) + stream.flush()
    assert stream.eof
    assert stream.unused_data == b""
    return out


def survives(tokens: Iterable[int]) -> None:
    array = np.fromiter(tokens, np.int64)
    assert inflated(deflated(array)) == said(array.tolist())


def fibonacci(count: int) -> list[int]:
    found = [1, 1]
    while len(found) < count:
        found.append(found[-1] + found[-2])
    return found


literals = st.lists(st.integers(0, 255), min_size=4, max_size=30)
repeats = st.sampled_from(sorted(REPEAT.values())).flatmap(
    lambda start: st.integers(start + 3, start + LONGEST)
)


@given(literals, st.lists(repeats | st.integers(0, 255), max_size=80))
def test_any_tokens_are_read_by_zlib(first: list[int], rest: list[int]) -> None:
    survives(first + rest)


@pytest.mark.parametrize("distances", [(), (1,), (4,), (1, 4)])
@pytest.mark.parametrize("first", [b"\0\0\0\0", b"\1\2\3\4", b"\xff\0\xfe\1"])
def test_every_length_from_every_distance_is_read(distances: tuple[int, ...], first: bytes) -> None:
    survives([*first, *(REPEAT[distance] + n for distance in distances for n in range(3, LONGEST + 1))])


@pytest.mark.parametrize("last", [[], [REPEAT[1] + 3], [REPEAT[4] + LONGEST]])
def test_one_kind_of_token_and_all_kinds_of_literals_are_read(last: list[int]) -> None:
    survives([7, 7, 7, 7, *last])
    survives([*range(256), *last])
    survives([7])


@pytest.mark.parametrize("count", [16, 18, 24])
def test_tokens_as_rare_as_fibonacci_numbers_need_codes_that_are_cut_to_15_bits(count: int) -> None:
    counts = fibonacci(count)
    survives(np.repeat(np.arange(count), counts).tolist())
    survives(np.repeat(np.arange(count)[::-1], counts).tolist())
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
    survives(np.repeat(spread, counts).tolist() + [REPEAT[1] + 3, REPEAT[4] + 5] * 40)


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


def complete(lengths: Tokens) -> None:
    """Check that the codes leave no sequence of bits without a meaning, as zlib demands."""
    assert sum(1 << _DEEPEST - int(length) for length in lengths if length) == 1 << _DEEPEST
