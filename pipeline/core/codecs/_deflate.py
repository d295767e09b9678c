"""Deflate blocks from pieces that the caller chose: dynamic Huffman codes, packed without a loop over pieces.

Source: RFC 1951. The caller knows where bytes repeat, so nothing is searched for. What is to be written is a
table, row by row: a column says for each row which bytes are written, or which of those before are repeated.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

NOTHING: Final = 256
"""What a column of literals holds where a row has none."""
LONGEST: Final = 258
SHORTEST: Final = 3
FARTHEST: Final = 32768

_END: Final = 256
_SYMBOLS: Final = 286
_APART: Final = 30
_DEEPEST: Final = 15
_CODE_DEEPEST: Final = 7
_ORDER: Final = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
_RUNS: Final = ((18, 11, 138, 7), (17, 3, 10, 3))
"""Symbols for several code lengths of zero: how many at least and at most, and their extra bits."""
_NODE: Final = 10
_NODES: Final = (1 << _NODE) - 1
_WORD: Final = 64
_LESS: Final = 4  # a length that pictures have often: one of two, where one symbol is not enough


def _length_symbols() -> tuple[Numbers, Numbers, Numbers]:
    """Return symbol, extra bits and their value for each length from 3 to 258."""
    symbol, bits, value = (np.zeros(LONGEST + 1, np.int64) for _ in range(3))
    first = 3
    for code in range(257, 285):
        extra = max(0, (code - 261) // 4)
        for length in range(first, min(first + (1 << extra), LONGEST)):
            symbol[length], bits[length], value[length] = code, extra, length - first
        first += 1 << extra
    symbol[LONGEST] = 285
    return symbol, bits, value


def _backwards() -> Numbers:
    numbers = np.arange(1 << _DEEPEST)
    found = np.zeros_like(numbers)
    for bit in range(_DEEPEST):
        found |= (numbers >> bit & 1) << (_DEEPEST - 1 - bit)
    return found


_SYMBOL, _EXTRA, _VALUE = _length_symbols()
_REVERSED: Final = _backwards()
"""Numbers of 15 bits, the lowest bit first."""
_FAR_EXTRA: Final = np.maximum(np.arange(_APART) // 2 - 1, 0)
_NEAREST: Final = 1 + np.concatenate(([0], np.cumsum(1 << _FAR_EXTRA)[:-1]))
"""The extra bits of each symbol for distances, and the nearest distance it stands for."""


class _Codes(NamedTuple):
    """The code of each symbol with its length, and those of each symbol for distances."""

    codes: Numbers
    lengths: Numbers
    apart: Numbers
    apart_lengths: Numbers


class _Pieces(NamedTuple):
    """A word of bits, at most 64, for each row. Where `times` is given, it is written so often."""

    words: Numbers
    bits: Numbers
    times: Numbers | None = None


class Column(Protocol):
    """What is written at one place of all rows."""

    def count(self, symbols: Numbers, apart: Numbers) -> None:
        """Add how often each symbol is needed, and each for distances."""

    def pieces(self, code: _Codes) -> Iterable[_Pieces]:
        """Yield the words that are written one after the other in each row."""


@dataclass(frozen=True, slots=True)
class Literals:
    """A byte in each row, or `NOTHING`."""

    values: Numbers

    def count(self, symbols: Numbers, apart: Numbers) -> None:  # noqa: ARG002 - as others have distances
        """Add each byte."""
        symbols[:NOTHING] += np.bincount(self.values, minlength=NOTHING + 1)[:NOTHING]

    def pieces(self, code: _Codes) -> Iterable[_Pieces]:
        """Yield a code word each."""
        words, bits = code.codes[: NOTHING + 1].copy(), code.lengths[: NOTHING + 1].copy()
        words[NOTHING] = bits[NOTHING] = 0
        yield _Pieces(words[self.values], bits[self.values])


@dataclass(frozen=True, slots=True)
class Copies:
    """The same byte in each row, 0 to 4 times."""

    value: int
    times: Numbers

    def count(self, symbols: Numbers, apart: Numbers) -> None:  # noqa: ARG002
        """Add the byte as often as all rows have it."""
        symbols[self.value] += self.times.sum()

    def pieces(self, code: _Codes) -> Iterable[_Pieces]:
        """Yield a few code words in one."""
        words, bits = _powers(int(code.codes[self.value]), int(code.lengths[self.value]), 4)
        yield _Pieces(words[self.times], bits[self.times])


class Repeats:
    """So many bytes in each row, 0 or at least 3, that are those from a distance of 1 to 4 back."""

    def __init__(self, distance: int, sizes: Numbers) -> None:
        """Cut the sizes into the longest that can be repeated and a rest, which one or two symbols say."""
        self._symbol = distance - 1
        self._full = np.maximum(sizes - SHORTEST, 0) // LONGEST
        self._rest = sizes - self._full * LONGEST

    def count(self, symbols: Numbers, apart: Numbers) -> None:
        """Add the lengths."""
        rests = np.bincount(self._rest, minlength=LONGEST + SHORTEST)
        counts = rests[: LONGEST + 1]
        counts[LONGEST] += self._full.sum()
        for more in (1, 2):
            counts[[LONGEST + more - _LESS, _LESS]] += rests[LONGEST + more]
        counts[0] = 0
        symbols += np.bincount(_SYMBOL, counts, _SYMBOLS).astype(np.int64)
        apart[self._symbol] += counts.sum()

    def pieces(self, code: _Codes) -> Iterable[_Pieces]:
        """Yield the full lengths and the rest."""
        words, bits = self._table(code)
        full = self._full
        if full.any():
            most = (_WORD - 1) // int(bits[LONGEST])
            full_words, full_bits = _powers(int(words[LONGEST]), int(bits[LONGEST]), most)
            if full.max() > most:
                times, full = np.divmod(full, most)
                ends = np.full(full.size, most)
                yield _Pieces(full_words[ends], full_bits[ends], times)
            yield _Pieces(full_words[full], full_bits[full])
        yield _Pieces(words[self._rest], bits[self._rest])

    def _table(self, code: _Codes) -> tuple[Numbers, Numbers]:
        """Return the words of all rests with their bits."""
        bits = code.lengths[_SYMBOL]
        words, bits = code.codes[_SYMBOL] | _VALUE << bits, bits + _EXTRA
        words |= code.apart[self._symbol] << bits
        bits += code.apart_lengths[self._symbol]
        words[0] = bits[0] = 0
        two = LONGEST + np.arange(1, SHORTEST) - _LESS
        more = words[two] | words[_LESS] << bits[two], bits[two] + bits[_LESS]
        return np.concatenate((words, more[0])), np.concatenate((bits, more[1]))


class Backs:
    """Four bytes in each row that are those from so far back, at most 32,768, or nothing where that is 0."""

    _LENGTH: Final = 4

    def __init__(self, distances: Numbers) -> None:
        """Look up the symbols."""
        self._some = np.flatnonzero(distances)
        self._distances = distances
        self._symbols = np.searchsorted(_NEAREST, distances[self._some], side="right") - 1

    def count(self, symbols: Numbers, apart: Numbers) -> None:
        """Add the distances."""
        symbols[_SYMBOL[self._LENGTH]] += self._some.size
        apart += np.bincount(self._symbols, minlength=_APART)

    def pieces(self, code: _Codes) -> Iterable[_Pieces]:
        """Yield length and distance as one."""
        length = _SYMBOL[self._LENGTH]
        far = self._distances[self._some] - _NEAREST[self._symbols]
        far = code.apart[self._symbols] | far << code.apart_lengths[self._symbols]
        words, bits = np.zeros_like(self._distances), np.zeros_like(self._distances)
        words[self._some] = code.codes[length] | far << code.lengths[length]
        bits[self._some] = (code.lengths[length] + code.apart_lengths + _FAR_EXTRA)[self._symbols]
        yield _Pieces(words, bits)


def deflated(first: bytes, columns: Sequence[Column]) -> bytes:
    """Return the raw deflate stream, one final block, of some bytes and the rows of a table after them."""
    ahead = np.frombuffer(first, np.uint8)
    symbols, apart = np.bincount(ahead, minlength=_SYMBOLS), np.zeros(_APART, np.int64)
    symbols[_END] = 1
    for column in columns:
        column.count(symbols, apart)
    if not apart.any():  # a block needs one code for distances at least
        apart[0] = 1
    lengths, apart_lengths = _code_lengths(symbols, _DEEPEST), _code_lengths(apart, _DEEPEST)
    code = _Codes(_codes(lengths), lengths, _codes(apart_lengths), apart_lengths)
    head, head_bits = _head(lengths, apart_lengths)
    words, bits = _in_rows(pieces for column in columns for pieces in column.pieces(code))
    words = np.concatenate((head, code.codes[ahead], words, code.codes[[_END]]))
    return _packed(words, np.concatenate((head_bits, lengths[ahead], bits, lengths[[_END]])))


def _powers(word: int, bits: int, most: int) -> tuple[Numbers, Numbers]:
    """Return a word 0 to `most` times, fewer than 64 bits, and their bits."""
    words = [0]
    for _ in range(most):
        words.append(words[-1] << bits | word)
    return np.array(words), np.arange(most + 1) * bits


def _in_rows(columns: Iterable[_Pieces]) -> tuple[Numbers, Numbers]:
    """Return the words of a table in order, with their bits: of a row as few as 64 bits allow."""
    joined: list[_Pieces] = []
    for words, bits, times in columns:
        if joined and times is None and joined[-1].times is None:
            sums = joined[-1].bits + bits
            if sums.max(initial=0) <= _WORD:
                joined[-1] = _Pieces(joined[-1].words | words << joined[-1].bits, sums)
                continue
        joined.append(_Pieces(words, bits, times))
    words = np.stack([piece.words for piece in joined], 1).ravel()
    bits = np.stack([piece.bits for piece in joined], 1).ravel()
    if all(piece.times is None for piece in joined):
        return words, bits
    once = np.ones(joined[0].bits.size, np.int64)
    times = np.stack([once if piece.times is None else piece.times for piece in joined], 1).ravel()
    return np.repeat(words, times), np.repeat(bits, times)


def _packed(words: Numbers, bits: Numbers) -> bytes:
    """Return words of so many bits each (at most 64), one after the other, the lowest bit first."""
    ends = np.cumsum(bits)
    starts = ends - bits
    shift, place = (starts & (_WORD - 1)).view(np.uint64), starts >> 6
    # Each 64 bits of the result see a word begin.
    last = np.append(np.flatnonzero(place[1:] != place[:-1]), words.size - 1)
    first = np.append(0, last[:-1] + 1)
    packed = np.zeros(first.size + 1, np.uint64)
    packed[:-1] = np.bitwise_or.reduceat(words.view(np.uint64) << shift, first)
    # In two steps, as nothing is left of a word that is moved by all of its 64 bits.
    packed[1:] |= (words[last].view(np.uint64) >> np.uint64(1)) >> (np.uint64(_WORD - 1) - shift[last])
    return packed.astype("<u8").tobytes()[: (int(ends[-1]) + 7) // 8]


def _code_lengths(counts: Numbers, deepest: int) -> Numbers:
    """Return the Huffman code length of each symbol, 0 for those that do not occur."""
    while True:
        lengths = _unbounded(counts)
        if lengths.max() <= deepest:
            return lengths
        counts = np.where(counts > 0, (counts >> 1) | 1, 0)  # flatter counts give a flatter tree


def _unbounded(counts: Numbers) -> Numbers:
    used = np.flatnonzero(counts).tolist()
    lengths = np.zeros(counts.size, np.int64)
    if len(used) == 1:
        lengths[used] = 1
        return lengths
    # Of each node its count and, in the low bits, its number: symbols first, parents after them.
    heap = [count << _NODE | symbol for count, symbol in zip(counts[used].tolist(), used, strict=True)]
    heapq.heapify(heap)
    parents: dict[int, int] = {}
    for node in range(counts.size, counts.size + len(used) - 1):
        one = heapq.heappop(heap)
        other = heap[0]
        parents[one & _NODES] = parents[other & _NODES] = node
        heapq.heapreplace(heap, ((one >> _NODE) + (other >> _NODE)) << _NODE | node)
    depths = {heap[0] & _NODES: 0}
    for node in reversed(parents):  # a parent is always younger than its children
        depths[node] = depths[parents[node]] + 1
    lengths[used] = [depths[symbol] for symbol in used]
    return lengths


def _codes(lengths: Numbers) -> Numbers:
    """Return the canonical code of each symbol, its first bit lowest."""
    used = np.flatnonzero(lengths)
    used = used[np.argsort(lengths[used], kind="stable")]
    bits = lengths[used]
    # Codes of one length count up; from one length to the next they are doubled.
    ends = np.cumsum(1 << (_DEEPEST - bits))
    ahead = (ends - (1 << (_DEEPEST - bits))) >> (_DEEPEST - bits)
    codes = np.zeros(lengths.size, np.int64)
    codes[used] = _REVERSED[ahead] >> (_DEEPEST - bits)
    return codes


def _head(lengths: Numbers, apart: Numbers) -> tuple[Numbers, Numbers]:
    """Return the head of a final block with these code lengths as words and their bits."""
    most, farthest = int(np.flatnonzero(lengths)[-1]) + 1, int(np.flatnonzero(apart)[-1]) + 1
    told = np.array(_told([*lengths[:most].tolist(), *apart[:farthest].tolist()]))
    symbols, values, extra = told.T
    depths = _code_lengths(np.bincount(symbols, minlength=19), _CODE_DEEPEST)
    ordered = depths[_ORDER]
    ordered = ordered[: max(4, int(np.flatnonzero(ordered)[-1]) + 1)]
    first = 1 | 2 << 1 | (most - 257) << 3 | (farthest - 1) << 8 | (ordered.size - 4) << 13
    bits = depths[symbols]
    words = np.concatenate(([first], ordered, _codes(depths)[symbols] | values << bits))
    return words, np.concatenate(([17], np.full(ordered.size, 3), bits + extra))


def _told(lengths: list[int]) -> list[tuple[int, int, int]]:
    """Return code lengths as symbols of the code for code lengths, each with its extra value and bits."""
    told: list[tuple[int, int, int]] = []
    for length, run in groupby(lengths):
        left = len(list(run))
        for symbol, least, most, extra in () if length else _RUNS:
            while left >= least:
                size = min(left, most)
                told.append((symbol, size - least, extra))
                left -= size
        told += [(length, 0, 0)] * left
    return told
