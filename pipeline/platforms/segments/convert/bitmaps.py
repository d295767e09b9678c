"""Bitmaps: pictures whose pixels are ids of annotations, one for each frame."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.core.instances import InstanceMap
from pipeline.platforms.segments.convert.kinds import Kind
from pipeline.platforms.segments.convert.layout import LayoutError, parts_of
from pipeline.platforms.segments.convert.noting import Reading
from pipeline.platforms.segments.convert.project import json_of
from pipeline.platforms.segments.wire import JsonValue

BITMAP = "segmentation_bitmap"


def bitmap_urls(kind: Kind, attributes: JsonValue) -> list[str]:
    """Return the URLs of the bitmaps that have to be fetched to read a label, each once, in order.

    A bitmap of a frame without annotations tells nothing, and is not among them. A label that is built in
    another way than its type says has none: reading it names the fault.
    """
    if not (kind.bitmaps or kind.sensors):
        return []
    try:
        parts = parts_of(None, attributes, kind)
    except LayoutError:
        return []
    return list(
        dict.fromkeys(
            url
            for part in parts
            if part.kind.bitmaps
            for frame in part.said
            if frame.get("annotations") and (url := bitmap_url(frame)) is not None
        )
    )


def bitmap_url(frame: Mapping[str, Any]) -> str | None:
    """Return the URL of the bitmap of a frame, or None where there is none."""
    url = json_of(frame.get(BITMAP)).get("url")
    return url if isinstance(url, str) and url else None


def frame_key(sensor: str | None, frame: int) -> str:
    """Return the key under which the `raw` of a row keeps what belongs to a frame."""
    return str(frame) if sensor is None else f"{sensor}/{frame}"


def picture_of(
    reading: Reading, frame: Mapping[str, Any], where: str, bitmaps: Mapping[str, InstanceMap]
) -> InstanceMap | None:
    """Return the picture of a frame, or None where it has none. RowError for one that was not fetched."""
    url, said = bitmap_url(frame), frame.get(BITMAP)
    if not frame.get("annotations"):
        return None
    if url is None:
        wrong = said if said is not None and not isinstance(said, Mapping) else json_of(said).get("url")
        if wrong:
            what = type(wrong).__name__
            raise reading.refuse(where, f"{BITMAP}: found a {what}, expected an object with a url as text")
        return None
    found = bitmaps.get(url)
    if found is None:
        raise reading.refuse(where, "its segmentation bitmap could not be fetched")
    return found


def note_pixels(reading: Reading, picture: InstanceMap, ids: Mapping[int, str], where: str) -> None:
    """Report numbers of a picture that no annotation has, and annotations without a pixel."""
    present = set(picture.present)
    place = f"{where}, bitmap" if where else "bitmap"
    strays = sorted(present - ids.keys())
    if strays:
        shown = listed(strays)
        reading.note(None, "bitmap", f"{place}: ids without an annotation in it: {shown}")
    for number in sorted(ids.keys() - present):
        reading.note(ids[number], "bitmap", f"{place}: annotation {number} has no pixel in it")


def note_unseen(reading: Reading, ids: Mapping[int, str], where: str) -> None:
    """Report the annotations of a frame that has no picture."""
    place = f"{where}: " if where else ""
    for number, name in sorted(ids.items()):
        reading.note(name, "bitmap", f"{place}annotation {number} has no pixel, as there is no bitmap")


def listed(numbers: list[int]) -> str:
    """Return numbers as a message shows them: ten at most."""
    more = len(numbers) - 10
    return ", ".join(map(str, numbers[:10])) + (f" and {more} more" if more > 0 else "")


def meant(picture: InstanceMap, ids: Iterable[int]) -> dict[str, Any]:
    """Return what `raw` keeps of a picture: a digest of its annotations' pixels, and what else it has."""
    known = {number: number for number in ids if number}
    shown = picture.renumbered(known)
    kept: dict[str, Any] = {"digest": shown.digest if shown.present else ""}
    if strays := sorted(set(picture.present) - known.keys()):
        kept["strays"] = strays
    return kept
