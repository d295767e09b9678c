"""Labels compared by what is inside their masks: tools, and processors too, compress one mask differently."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import floor
from typing import Any

import msgspec

from pipeline.core.codecs import bitmap_png
from pipeline.core.masks import MaskError
from pipeline.platforms.supervisely.convert.geometry import bitmap_text, kind_of
from pipeline.platforms.supervisely.wire import MASK, Json

Size = tuple[int, int]


def comparable(
    mine: Sequence[Json], there: Sequence[Json], size: Size | None
) -> tuple[Sequence[Json], Sequence[Json]]:
    """Return labels of two sides for their meanings to be compared: equal masks have equal bitmaps in them.

    Masks that are written alike stay as they are, and those that begin where none of the other side does; the
    others become the digests of their pixels. `size` is the height and width of the image. A bitmap that
    cannot be read is compared as it is written. Where there is nothing to look into, what comes back is what
    was given.
    """
    texts, texts_there = ({text for one in labels if (text := _text(one))} for labels in (mine, there))
    begun, begun_there = (
        {_origin(text) for text in some} for some in (texts - texts_there, texts_there - texts)
    )
    if size is None or begun.isdisjoint(begun_there):
        return mine, there
    asked = {text for text in texts ^ texts_there if _origin(text) in begun & begun_there}
    return [_by_pixels(one, asked, size) for one in mine], [_by_pixels(one, asked, size) for one in there]


def _text(label: Mapping[str, Any]) -> str | None:
    bitmap = label.get("bitmap")
    if not bitmap or kind_of(label) != MASK:
        return None
    return bytes(bitmap).decode() if isinstance(bitmap, msgspec.Raw) else bitmap_text(bitmap)


class _Begun(msgspec.Struct):
    origin: tuple[float, float]


def _origin(text: str) -> tuple[int, ...]:
    """The top-left pixel of a bitmap; that of one which says none is like no other."""
    try:
        return tuple(map(floor, msgspec.json.decode(text, type=_Begun).origin))
    except (ValueError, OverflowError):
        return ()


def _by_pixels(label: Json, asked: set[str], size: Size) -> Json:
    text = _text(label)
    if text not in asked:
        return label
    try:
        toggles = bitmap_png.decode(text, *size).toggles
    except MaskError:
        return label
    digest = blake2b(toggles.tobytes(), digest_size=16).hexdigest()
    return {**label, "bitmap": msgspec.Raw(msgspec.json.encode(digest))}
