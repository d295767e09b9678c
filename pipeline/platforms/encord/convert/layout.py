"""Where the pictures of a label row are: its data units, their sizes, and which frame each one is."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from pipeline.core.labels import Media, MediaKind
from pipeline.errors import RowError

_KINDS = {"image": MediaKind.IMAGE, "img_group": MediaKind.IMAGE_GROUP, "video": MediaKind.VIDEO}
_SUPPORTED = "image, image group, image sequence and video rows"


class Layout(NamedTuple):
    """The data units of a row in the order of their frames, each under its key.

    `by_frame`: labels of a unit are keyed by frame (video, image sequence); else each unit is one frame.
    `frame_count` is None where neither the row nor the listing says it.
    """

    kind: MediaKind
    units: tuple[tuple[str, Mapping[str, Any]], ...]
    by_frame: bool
    frame_count: int | None
    sizes: tuple[tuple[int, int] | None, ...] = ()

    def size_at(self, frame: int) -> tuple[int, int] | None:
        """Return (height, width) in pixels of a frame, or None where the row does not say it."""
        at = 0 if self.by_frame else frame
        return self.sizes[at] if 0 <= at < len(self.sizes) else None

    def media(self) -> tuple[Media, ...]:
        """Return the pictures of the row; a video or sequence has one that stands for all frames."""
        return tuple([_media(key, unit) for key, unit in self.units])


class Opened(NamedTuple):
    """A label row as the project gave it: what `Place.details` holds once the row is open.

    `row` is the label row JSON, decoded and untouched.
    """

    label_hash: str
    data_hash: str
    row: Mapping[str, Any]
    layout: Layout

    @classmethod
    def of(cls, row: Mapping[str, Any], data_hash: str, frame_count: int | None = None) -> Self:
        """Look at a label row. `frame_count` is that of the listing: the row of a video does not say it.

        RowError for a kind of row that is not supported, by its name.
        """
        return cls(row.get("label_hash") or "", data_hash, row, layout_of(row, frame_count))


def _media(key: str, unit: Mapping[str, Any]) -> Media:
    link = unit.get("data_link")
    return Media(
        name=unit.get("data_title") or "",
        url=link if link and isinstance(link, str) and "://" in link else None,
        ref=unit.get("data_hash") or key,
        width=unit.get("width") or None,
        height=unit.get("height") or None,
    )


def layout_of(data: Mapping[str, Any], frame_count: int | None = None) -> Layout:
    """Return the layout of a label row. RowError for a kind of row that is not supported, by its name."""
    said = str(data.get("data_type", "")).lower()
    kind = _KINDS.get(said)
    title = data.get("data_title") or data.get("data_hash")
    if kind is None:
        message = f"row {title!r} is a {said or 'nameless'} row; only {_SUPPORTED} can be read and written"
        raise RowError(f"{message}; leave it out with `rows`")
    found = data.get("data_units") or {}
    if kind is MediaKind.IMAGE_GROUP:
        units = tuple(sorted(found.items(), key=lambda item: int(item[1]["data_sequence"])))
        sequence = [int(unit["data_sequence"]) for _, unit in units]
        if sequence != list(range(len(units))):
            raise RowError(
                f"row {title!r}: data_sequence of its data units is {sequence[:20]}; expected 0, 1, 2 ..."
            )
        return Layout(kind, units, by_frame=False, frame_count=len(units), sizes=_sizes(units))
    if len(found) != 1:
        raise RowError(f"row {title!r}: {len(found)} data units; expected one in a row of type {said}")
    units = tuple(found.items())
    if kind is MediaKind.IMAGE:
        return Layout(kind, units, by_frame=False, frame_count=1, sizes=_sizes(units))
    # An image sequence is a video to Encord; only the type of its files tells them apart.
    if str(units[0][1].get("data_type", "")).startswith("image"):
        kind = MediaKind.IMAGE_SEQUENCE
    return Layout(kind, units, by_frame=True, frame_count=frame_count, sizes=_sizes(units))


def _sizes(units: tuple[tuple[str, Mapping[str, Any]], ...]) -> tuple[tuple[int, int] | None, ...]:
    return tuple([_size(unit) for _, unit in units])


def _size(unit: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = unit.get("height"), unit.get("width")
    return (int(height), int(width)) if height and width else None
