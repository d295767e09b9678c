"""Deflate blocks from tokens that the caller chose: dynamic Huffman codes, packed without a loop over tokens.

Source: RFC 1951. The caller knows where bytes repeat, so nothing is searched for. A token is one number: 0 to
255 is that byte; `REPEAT[d] + n` repeats the n bytes (3 to 258) from d places back, for the two distances
that a picture of runs needs: 1 (the byte before) and 4 (the pixel before).
"""

import heapq
from typing import Final

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]

LONGEST: Final = 258
REPEAT: Final = {1: 256, 4: 256 + LONGEST + 1}
"""Where the tokens begin that repeat from that distance."""

_TOKENS: Final = 256 + 2 * (LONGEST + 1)
_END: Final = 256
_DISTANCES: Final = {1: 0, 4: 3}  # the codes of the two distances; neither has extra bits
_DEEPEST: Final = 15
_CODE_DEEPEST: Final = 7
_ORDER: Final = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_ZEROS: Final = 138  # code lengths of zero that one symbol stands for at most


def _length_symbols() -> tuple[Tokens, Tokens, Tokens]:
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


def _backwards() -> Tokens:
    numbers = np.arange(1 << _DEEPEST)
    found = np.zeros_like(numbers)
    for bit in range(_DEEPEST):
        found |= (numbers >> bit & 1) << (_DEEPEST - 1 - bit)
    return found


_SYMBOL, _EXTRA, _VALUE = _length_symbols()
_REVERSED: Final = _backwards()
"""Numbers of 15 bits, the lowest bit first."""
_OF_TOKEN: Final = np.concatenate((np.arange(256), _SYMBOL, _SYMBOL))


def deflated(tokens: Tokens) -> bytes:
    """Return the raw deflate stream, one final block, of the tokens in order."""
    counts = np.bincount(tokens, minlength=_TOKENS)
    symbols = np.bincount(_OF_TOKEN, weights=counts, minlength=286).astype(np.int64)
    symbols[_END] = 1
    distances = np.zeros(30, np.int64)
    for distance, start in REPEAT.items():
        distances[_DISTANCES[distance]] = counts[start : start + LONGEST + 1].sum()
    if not distances.any():  # a block needs one code for distances at least
        distances[0] = 1
    lengths, apart = _code_lengths(symbols, _DEEPEST), _code_lengths(distances, _DEEPEST)
    codes, apart_codes = _codes(lengths), _codes(apart)
    words, bits = np.zeros(_TOKENS, np.int64), np.zeros(_TOKENS, np.int64)
    words[:256], bits[:256] = codes[:256], lengths[:256]
    for distance, start in REPEAT.items():
        which = _DISTANCES[distance]
        here = slice(start, start + LONGEST + 1)
        words[here] = codes[_SYMBOL] | _VALUE << lengths[_SYMBOL]
        words[here] |= apart_codes[which] << (lengths[_SYMBOL] + _EXTRA)
        bits[here] = lengths[_SYMBOL] + _EXTRA + apart[which]
    head, head_bits = _head(lengths, apart)
    end = np.array([codes[_END]]), np.array([lengths[_END]])
    return _packed(
        np.concatenate((head, words[tokens], end[0])), np.concatenate((head_bits, bits[tokens], end[1]))
    )


def _packed(words: Tokens, bits: Tokens) -> bytes:
    """Return words of so many bits each (at most 32), one after the other, the lowest bit first."""
    if words.size % 2:
        words, bits = np.append(words, 0), np.append(bits, 0)
    # Two by two, so that there are half as many; even so each 64 bits of the result see one begin.
    pairs = (words[0::2] | words[1::2] << bits[0::2]).view(np.uint64)
    ends = np.cumsum(bits[0::2] + bits[1::2])
    starts = np.concatenate(([0], ends[:-1]))
    shift, place = (starts & 63).view(np.uint64), starts >> 6
    first = np.concatenate(([True], place[1:] != place[:-1])).nonzero()[0]
    last = np.append(first[1:], pairs.size) - 1
    packed = np.zeros(first.size + 1, np.uint64)
    packed[:-1] = np.bitwise_or.reduceat(pairs << shift, first)
    # In two steps, as nothing is left of a word that is moved by all of its 64 bits.
    packed[1:] |= (pairs[last] >> np.uint64(1)) >> (np.uint64(63) - shift[last])
    return packed.astype("<u8").tobytes()[: (int(ends[-1]) + 7) // 8]


def _code_lengths(counts: Tokens, deepest: int) -> Tokens:
    """Return the Huffman code length of each symbol, 0 for those that do not occur."""
    while True:
        lengths = _unbounded(counts)
        if lengths.max() <= deepest:
            return lengths
        counts = np.where(counts > 0, (counts >> 1) | 1, 0)  # flatter counts give a flatter tree


def _unbounded(counts: Tokens) -> Tokens:
    used = np.flatnonzero(counts).tolist()
    lengths = np.zeros(counts.size, np.int64)
    if len(used) == 1:
        lengths[used] = 1
        return lengths
    heap = [(int(counts[symbol]), symbol) for symbol in used]
    heapq.heapify(heap)
    parents: dict[int, int] = {}
    for node in range(counts.size, counts.size + len(used) - 1):
        (one, left), (other, right) = heapq.heappop(heap), heapq.heappop(heap)
        parents[left] = parents[right] = node
        heapq.heappush(heap, (one + other, node))
    depths = {heap[0][1]: 0}
    for node in reversed(parents):  # a parent is always younger than its children
        depths[node] = depths[parents[node]] + 1
    lengths[used] = [depths[symbol] for symbol in used]
    return lengths


def _codes(lengths: Tokens) -> Tokens:
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


def _head(lengths: Tokens, apart: Tokens) -> tuple[Tokens, Tokens]:
    """Return the head of a final block with these code lengths as words and their bits."""
    most, farthest = int(np.flatnonzero(lengths)[-1]) + 1, int(np.flatnonzero(apart)[-1]) + 1
    told = _told([*lengths[:most].tolist(), *apart[:farthest].tolist()])
    counts = np.bincount([symbol for symbol, _, _ in told], minlength=19)
    depths = _code_lengths(counts, _CODE_DEEPEST)
    codes = _codes(depths)
    orders = max(4, 19 - next(n for n, symbol in enumerate(reversed(_ORDER)) if depths[symbol]))
    words = [(1, 1), (2, 2), (most - 257, 5), (farthest - 1, 5), (orders - 4, 4)]
    words += [(int(depths[symbol]), 3) for symbol in _ORDER[:orders]]
    for symbol, value, extra in told:
        words += [(int(codes[symbol]), int(depths[symbol])), (value, extra)]
    head = np.array(words, np.int64)
    return head[:, 0], head[:, 1]


def _told(lengths: list[int]) -> list[tuple[int, int, int]]:
    """Return code lengths as symbols of the code for code lengths, each with its extra value and bits."""
    told: list[tuple[int, int, int]] = []
    at = 0
    while at < len(lengths):
        end = at + 1
        while end < len(lengths) and lengths[end] == lengths[at] and end - at < _ZEROS:
            end += 1
        zeros = end - at if lengths[at] == 0 else 0
        if zeros > 10:  # noqa: PLR2004 - symbol 18 stands for 11 zeros or more, 17 for 3 to 10
            told.append((18, zeros - 11, 7))
        elif zeros > 2:  # noqa: PLR2004
            told.append((17, zeros - 3, 3))
        else:
            end = at + 1
            told.append((lengths[at], 0, 0))
        at = end
    return told
