"""The frames of a part as they travel: annotations in order, bitmaps, numbers of points, image attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.core.geometry import PointSet
from pipeline.core.instances import DrawnInstances, Instance, OnTop
from pipeline.core.losses import LossKind
from pipeline.platforms.segments.convert.annotating import Written, with_id
from pipeline.platforms.segments.convert.bitmaps import BITMAP, bitmap_url, frame_key, listed
from pipeline.platforms.segments.convert.clouds import POINTS, paint
from pipeline.platforms.segments.convert.context import Before, Packing, named
from pipeline.platforms.segments.convert.images import IMAGE_ATTRIBUTES
from pipeline.platforms.segments.convert.layout import Part, parts_of
from pipeline.platforms.segments.convert.project import json_of
from pipeline.platforms.segments.wire import Json, JsonValue


class Pictured(NamedTuple):
    """The bitmap of one frame, on its way: `frame[BITMAP]` holds its digest until its URL is known.

    `value` is what to write, or None for one that has to be uploaded: `asset` is its number then.
    """

    frame: Json
    value: JsonValue
    asset: int | None


@dataclass(slots=True)
class Framing:
    """Builds the frames of all parts of one label."""

    packing: Packing
    kept: Before
    existing: Before
    pictures: list[Pictured] = field(default_factory=list)
    assets: dict[str, bytes] = field(default_factory=dict)
    """Files to upload by the digest of their pixels; equal ones travel once."""
    hidden: dict[str, int] = field(default_factory=dict)
    """How much of each object others lie on: pixels, or points."""

    def frames(self, part: Part, written: Sequence[Written], images: Sequence[Json | None]) -> list[Json]:
        """Return the frames of a part. `images` has the image attributes of each. Raises RowError."""
        by_frame: dict[int, list[Written]] = {}
        for one in written:
            for at in one.frames:
                by_frame.setdefault(at, []).append(one)
        said = max((at for at, one in enumerate(images) if one is not None), default=-1)
        count = self._count(part, 1 + max(said, *by_frame, -1))
        return [self._frame(part, at, by_frame.get(at, []), images) for at in range(count)]

    def _count(self, part: Part, needed: int) -> int:
        """How many frames are written: as many as came, or as the sample has, or more if they are needed."""
        if not part.kind.sequence:
            return 1
        if not part.said:
            return max(len(part.shown), needed)
        came = len(part.said)
        if not self.packing.own and part.shown:
            came = min(came, len(part.shown))
        return max(came, needed)

    def _frame(self, part: Part, at: int, written: list[Written], images: Sequence[Json | None]) -> Json:
        came = part.frame(at)
        frame: Json = dict(came) if at < len(part.said) else self._new(part, at)
        if not self.kept.same_drawing:
            frame.pop(BITMAP, None)
            frame.pop(POINTS, None)
        if part.kind.sequence:
            self._stamp(part, at, frame)
        written = _ordered(written, came.get("annotations"))
        if "annotations" not in frame or written or frame["annotations"]:
            frame["annotations"] = [with_id(one.frames[at], one.numbers.at(at)) for one in written]
        if part.kind.bitmaps:
            self._picture(part, at, frame, written)
        if part.kind.points:
            self._points(part, at, frame, written)
        said = images[at] if at < len(images) else None
        if said is not None:
            frame[IMAGE_ATTRIBUTES] = said
        return frame

    def _new(self, part: Part, at: int) -> Json:
        """A frame of a new label."""
        version = part.kind.frame_version if part.kind.sequence else part.kind.version
        frame: Json = {"format_version": version}
        shown = part.shown[at] if at < len(part.shown) else {}
        if part.kind.sequence and shown.get("timestamp") is not None:
            frame["timestamp"] = shown["timestamp"]
        return frame

    def _stamp(self, part: Part, at: int, frame: Json) -> None:
        """Take the time from the sample where the label came from another one with other times."""
        shown = part.shown[at].get("timestamp") if at < len(part.shown) else None
        if shown is None or "timestamp" not in frame or self.packing.own:
            return
        if str(shown) != str(frame["timestamp"]):
            frame["timestamp"] = shown

    # ---- bitmaps ------------------------------------------------------------------------------------------

    def _picture(self, part: Part, at: int, frame: Json, written: list[Written]) -> None:
        """Put the bitmap of a frame into it."""
        drawn = self._drawn(part, at, written)
        digest = drawn.digest if drawn is not None and drawn.present else ""
        key = frame_key(part.sensor, at)
        came = self.kept.kept("pictures", key) if self.kept.same_drawing else {}
        url = bitmap_url(frame)
        home = str(self.kept.raw.get("service")).rstrip("/")
        stays = url is None or home == self.packing.project.service.rstrip("/")
        if stays and self.kept.same_drawing and digest == came.get("digest", ""):
            if BITMAP in frame:
                self._hold(frame, frame[BITMAP], digest)
            elif not part.kind.sequence:
                self._hold(frame, {}, digest)
            return
        if drawn is None or not digest:
            frame.pop(BITMAP, None)
            if not part.kind.sequence:
                self._hold(frame, {}, digest)
            return
        there = self.existing.kept("pictures", key)
        if there.get("digest") == digest:
            self._hold(frame, self._existing_frame(part, at).get(BITMAP), digest)
            return
        if came.get("strays"):
            why = f"ids without an annotation are not drawn again: {listed(came['strays'])}"
            self.packing.note(None, "bitmap", why)
        self.assets.setdefault(digest, drawn.data)
        number = list(self.assets).index(digest)
        self.pictures.append(Pictured(frame, json_of(frame.get(BITMAP)), number))
        frame[BITMAP] = digest

    def _hold(self, frame: Json, value: JsonValue, digest: str) -> None:
        frame[BITMAP] = digest
        self.pictures.append(Pictured(frame, value, None))

    def _existing_frame(self, part: Part, at: int) -> Mapping[str, Any]:
        sample = self.packing.opened.sample.attributes
        parts = parts_of(sample, self.existing.label, self.packing.project.kind)
        return next((one.frame(at) for one in parts if one.sensor == part.sensor), {})

    def _drawn(self, part: Part, at: int, written: list[Written]) -> DrawnInstances | None:
        found: DrawnInstances | None = None
        for one in written:
            geometry = one.item.occurrences[at].geometry
            if isinstance(geometry, Instance) and isinstance(geometry.of, DrawnInstances):
                found = geometry.of
                self._judge(part, at, one, geometry.of, geometry.number)
            else:
                raise self.packing.refuse(named(one.item, part, at), "its mask is not drawn; encode the row")
        size = self.packing.row.size_at(at, part.sensor)
        if found is not None and found.present and size is not None and size != (found.height, found.width):
            where = f"sensor {part.sensor!r}, frame {at}" if part.sensor is not None else f"frame {at}"
            why = f"its masks are {found.width} x {found.height} pixels, the picture is {size[1]} x {size[0]}"
            raise self.packing.refuse(where, why)
        return found

    def _judge(self, part: Part, at: int, one: Written, drawn: DrawnInstances, number: int) -> None:
        lost = drawn.hidden.get(number, 0)
        if lost:
            self.hidden[one.item.id] = self.hidden.get(one.item.id, 0) + lost
        elif number not in drawn.present:
            self.packing.note(one.item.id, "bitmap", f"{named(one.item, part, at)} has no pixel")

    # ---- points -------------------------------------------------------------------------------------------

    def _points(self, part: Part, at: int, frame: Json, written: list[Written]) -> None:
        """Put the number of each point of a frame into it."""
        names = {one.numbers.at(at): one.item for one in written}
        drawn = ((number, item.occurrences[at].geometry) for number, item in names.items())
        layers = [(number, found) for number, found in drawn if isinstance(found, PointSet)]
        strays = self.kept.kept("strays", frame_key(part.sensor, at)) if self.kept.same_drawing else {}
        came = at < len(part.said) and self.kept.same_drawing
        if not layers and not strays and frame.get(POINTS) is None and came:
            return
        count = self._point_count(part, at)
        if count is None:
            count = 1 + max((index for _, layer in layers for index in layer.indices), default=-1)
            if count:
                why = f"frame {at}: the number of points is not known; numbers end with the last labelled one"
                self.packing.note(None, POINTS, why)
        on_top = self.packing.edited.layers.on_top if self.packing.edited.layers else OnTop.LAST
        try:
            painted = paint(layers, count, on_top, strays)
        except ValueError as error:
            raise self.packing.refuse(f"frame {at}", error) from error
        frame[POINTS] = painted.points
        for number, lost in painted.hidden.items():
            self.hidden[names[number].id] = self.hidden.get(names[number].id, 0) + lost

    def _point_count(self, part: Part, at: int) -> int | None:
        """How many points the cloud of a frame has: of the row, else of the opened one, else None."""
        for row in (self.packing.row, self.packing.edited.existing):
            sensor = row.sensor(part.sensor) if row is not None and part.sensor is not None else None
            media = () if row is None else (sensor.media if sensor else row.media)
            if at < len(media) and media[at].points is not None:
                return media[at].points
        return None

    def report(self) -> None:
        """Report what lies below other objects."""
        for name, lost in self.hidden.items():
            why = f"{lost} of its pixels or points lie below other objects, and each has one number only"
            self.packing.lose(name, LossKind.OVERLAP, why)


def _ordered(written: list[Written], order: JsonValue) -> list[Written]:
    """Annotations in the order that they came in, new ones last."""
    if not isinstance(order, list) or not order:
        return written
    places = {name: place for place, name in enumerate(order) if isinstance(name, str)}
    return sorted(written, key=lambda one: places.get(one.item.id, len(places)))
