"""Run lengths, and the string of printable characters that COCO and Encord write them in.

Runs alternate between pixels outside and inside, starting outside (0 if the first pixel is inside), and add
up to the size of the image. In the string each run from the fourth on is the difference to the run two before
it. A number is written in groups of 5 bits, lowest first, each as the character 48 + bits, plus 32 if another
group follows; the highest bit of the last group is the sign. The format is that of `maskApi.c` (rleToString,
rleFrString) of the COCO API.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.core import toggles as tg
from pipeline.core.masks import MaskError
from pipeline.core.toggles import Toggles

Runs = NDArray[np.int64]

# The flag of a group that is not the last of its number.
_MORE = 32

# 7 groups hold 35 bits: any difference of two runs below 2**32.
_MOST_GROUPS = 7


def runs_of_toggles(toggles: Toggles, size: int) -> Runs:
    """The runs of `size` pixels; the last one is left out only if it would be 0."""
    runs = np.empty(toggles.size + 1, np.int64)
    runs[:-1] = toggles
    runs[-1] = size
    runs[1:] -= toggles
    return runs if runs[-1] else runs[:-1]


def toggles_of_runs(runs: Runs, size: int) -> Toggles:
    """The reverse. What the runs do not reach stays outside.

    Raises `MaskError` for a negative run and for runs that add up to more than `size`.
    """
    if runs.size and (runs.min() < 0 or runs.max() > size):
        bad = int(np.flatnonzero((runs < 0) | (runs > size))[0])
        raise MaskError(f"run {bad} of the mask is {runs[bad]}; expected 0 to {size} (height * width)")
    ends = np.cumsum(runs)
    if ends.size and ends[-1] > size:
        raise MaskError(
            f"runs of the mask add up to {ends[-1]}; the image has only {size} pixels (height * width)"
        )
    return tg.odd_ones(ends[: ends.size & ~1]).astype(np.uint32)


def string_of_runs(runs: Runs) -> str:
    """The runs as characters."""
    numbers = runs.copy()
    numbers[3:] -= runs[1:-2]
    places = numbers + _SHORT
    # Without a sign, so that what is below 0 is large too.
    long = (places.view(np.uint64) >= 2 * _SHORT).nonzero()[0]
    few = [_word(number) for number in numbers.take(long).tolist()] if long.size <= _FEW else None
    words: NDArray[np.uint32] | NDArray[np.uint64]
    if few is not None and max(few, default=0) < 1 << 32:
        words = _NARROW.take(places, mode="clip")
        words[long] = few
    else:
        words = _WORDS.take(places, mode="clip")
        words[long] = _words(numbers[long])
    return words.tobytes().translate(None, b"\0").decode("ascii")


def _words(numbers: Runs) -> NDArray[np.uint64]:
    """Each number as 8 bytes: its characters, lowest group first, and zeros, which are no characters.

    The first character is the lowest byte, on a machine of either byte order.
    """
    magnitude = numbers ^ (numbers >> 63)
    rows = np.zeros((numbers.size, 8), np.uint8)
    rows[:, 0] = (numbers & 31) + 48
    for group in range(1, 1 + int(magnitude.max()).bit_length() // 5):
        longer = (magnitude >= 1 << (5 * group - 1)).nonzero()[0]
        rows[longer, group - 1] += _MORE
        rows[longer, group] = ((numbers[longer] >> (5 * group)) & 31) + 48
    return rows.view("<u8").reshape(-1)


def _word(number: int) -> int:
    """One number as `_words` has it."""
    word = shift = 0
    while True:
        group = number & 31
        number >>= 5
        if number == (-1 if group & 16 else 0):
            return word | group + 48 << shift
        word |= group + 48 + _MORE << shift
        shift += 8


_FEW = 16
"""Numbers up to which one by one is quicker than all at once."""
_SHORT = 512
"""Numbers from -512 to 511 are looked up: nearly all of them, as neighbouring rows of a mask are alike."""
_WORDS = _words(np.arange(-_SHORT, _SHORT))
_NARROW = _WORDS.astype("<u4")
"""The same in 4 bytes: half as much to look through for the zeros."""


def runs_of_string(data: str | bytes) -> Runs:
    """The reverse.

    Raises `MaskError` for a character outside the alphabet, a string that ends inside a number, and a number
    of more than 35 bits.
    """
    codes = _codes(data)
    last = np.flatnonzero(codes < _MORE)
    if not codes.size:
        return np.empty(0, np.int64)
    if codes[-1] >= _MORE:
        raise MaskError(f"mask string of {codes.size} characters ends inside a number; it was cut off")
    groups = np.diff(last, prepend=-1)
    most = int(groups.max())
    if most > _MOST_GROUPS:
        raise MaskError(f"mask string has a number of {most} characters; at most {_MOST_GROUPS} are allowed")
    numbers = codes[last].astype(np.int64)
    numbers -= (numbers & 16) << 1
    for count in range(1, most):
        longer = np.flatnonzero(groups > count)
        numbers[longer] = (numbers[longer] << 5) | (codes[last[longer] - count] & 31)
    np.cumsum(numbers[1::2], out=numbers[1::2])
    np.cumsum(numbers[2::2], out=numbers[2::2])
    return numbers


def _codes(data: str | bytes) -> NDArray[np.uint8]:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    # uint8 wraps, so that characters below '0' become large codes, like all beyond ASCII.
    codes = np.frombuffer(raw, np.uint8) - np.uint8(48)
    if codes.size and codes.max() >= 2 * _MORE:
        place = int(np.argmax(codes >= 2 * _MORE))
        wrong = data[place : place + 1]
        raise MaskError(f"mask string has {wrong!r} at position {place}; expected characters '0' to 'o'")
    return codes
