import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.inflating import PIECE, Inflater


def raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "X-Gzip ": gzip.compress,
    "deflate": zlib.compress,
}


def inflated(encoding: str, body: bytes, step: int) -> bytes:
    inflater = Inflater(encoding)
    parts = [
        part for start in range(0, len(body), step) for part in inflater.feed(body[start : start + step])
    ]
    assert inflater.whole
    return b"".join(parts)


@given(
    data=st.one_of(st.binary(max_size=300), st.integers(0, 3 * PIECE).map(bytes)),
    encoding=st.sampled_from(sorted(PACKED)),
    step=st.integers(1, 2000),
)
def test_whatever_the_pieces_the_body_is_the_same(data: bytes, encoding: str, step: int) -> None:
    assert inflated(encoding, PACKED[encoding](data), step) == data


@given(parts=st.lists(st.binary(max_size=100), max_size=5), step=st.integers(1, 50))
def test_a_body_of_several_gzip_streams_is_one_body(parts: list[bytes], step: int) -> None:
    assert inflated("gzip", b"".join(map(gzip.compress, parts)), step) == b"".join(parts)


def test_deflate_comes_without_its_frame_too() -> None:
    assert inflated("deflate", raw(b"a picture" * 1000), 7) == b"a picture" * 1000


def test_a_bomb_comes_in_small_pieces_and_only_as_far_as_it_is_asked_for() -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    pieces = Inflater("gzip").feed(bomb)
    assert [len(next(pieces)) for _ in range(3)] == [PIECE] * 3


def test_what_breaks_off_is_not_whole_and_nothing_is() -> None:
    inflater = Inflater("gzip")
    assert inflater.whole
    assert b"".join(inflater.feed(gzip.compress(b"a picture")[:-4])) == b"a picture"
    assert not inflater.whole


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"x", mtime=0)[:-8] + b"12345678", gzip.compress(b"x", mtime=0) + b"more"],
)
def test_what_is_broken_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="broken"):
        list(Inflater("gzip").feed(body))


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_what_was_not_asked_for_is_an_error(encoding: str) -> None:
    with pytest.raises(ValueError, match="not asked for"):
        Inflater(encoding)
