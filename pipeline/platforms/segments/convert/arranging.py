"""What a row needs before its masks are drawn: labels that stay are in it, objects have numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pipeline.core import polygons, spans
from pipeline.core.geometry import Geometry, Polygon, Shape
from pipeline.core.instances import Instance, OnTop
from pipeline.core.labels import Classification, LabelRow, ObjectInstance, Occurrence
from pipeline.core.losses import Note
from pipeline.core.masks import EncodedMask, Mask, MaskError, Raster
from pipeline.core.measure import mask_of
from pipeline.core.merging import joined_groups
from pipeline.core.rows import EditedRow, Layers, Place
from pipeline.errors import RowError
from pipeline.platforms.segments.convert.kinds import Kind
from pipeline.platforms.segments.convert.layout import LayoutError, parts_of
from pipeline.platforms.segments.convert.numbering import Numbering, own_numbers
from pipeline.platforms.segments.convert.project import Numbers, Opened, Project, json_of
from pipeline.platforms.segments.convert.samples import SAMPLE
from pipeline.platforms.segments.wire import MAX_ID, PLATFORM


def arrange(row: EditedRow, project: Project, on_top: OnTop = OnTop.LAST) -> EditedRow:
    """Return the row as it will be in the target, ready for its masks to be drawn and for `pack_row`.

    Where the row is to be added to what is there, both become one, and labels that are there already are left
    out. Every object has its numbers, in `Opened.numbers` of the place. Where the dataset keeps bitmaps, the
    polygons become masks, and `layers` says how masks are drawn: `on_top` has the pixels that two share.
    Raises RowError for an id that two objects have, and for a polygon on a picture of unknown size.
    """
    opened = opened_of(row)
    merged, numbers = _merged(row, opened, project)
    kinds = kinds_of(row, project)
    painted = _drawn(merged, row.row, kinds)
    notes = [
        Note(row.key.key, item.id, "precision", "its polygon was drawn into the bitmap, as whole pixels")
        for item, new in zip(merged.objects, painted.objects, strict=True)
        if new is not item and item.shape is not new.shape
    ]
    merged, numbers = painted, numbers._replace(notes=(*numbers.notes, *notes))
    layers = None
    if any(kind.bitmaps or kind.points for kind in kinds.values()):
        drawn = {
            item.id: numbers.objects[item.id].number
            for item in merged.objects
            if item.sensor in kinds
            and kinds[item.sensor].bitmaps
            and item.occurrences
            and item.shape is Shape.MASK
        }
        layers = Layers(drawn, on_top, _by_frame(drawn, numbers))
    place = Place(row.place.id, row.place.title, opened._replace(numbers=numbers))
    return EditedRow(row.key, place, merged, row.existing, append=False, layers=layers)


def _by_frame(drawn: Iterable[str], numbers: Numbers) -> dict[str, dict[int, int]]:
    """The ids of objects on frames where they came with another than their own number."""
    found = {}
    for name in drawn:
        own = numbers.objects[name]
        others = {at: id_ for at, id_ in own.ids.items() if id_ != own.number and 1 <= id_ <= MAX_ID}
        if others:
            found[name] = others
    return found


def opened_of(row: EditedRow) -> Opened:
    """Return the sample that a row goes to. RowError where it was not opened."""
    opened = row.place.details
    if not isinstance(opened, Opened):
        where = f"row {row.row.title or row.key.key!r}"
        raise RowError(f"{where}: it was not opened in Segments.ai; open it before packing")
    return opened


def kinds_of(row: EditedRow, project: Project) -> dict[str | None, Kind]:
    """Return the kind of the sample that a row goes to, or of each of its sensors."""
    if not project.kind.sensors:
        return {None: project.kind}
    try:
        parts = parts_of(opened_of(row).sample.attributes, None, project.kind)
    except LayoutError as error:
        raise RowError(f"row {row.row.title or row.key.key!r}: {error}") from error
    return {part.sensor: part.kind for part in parts}


def own_sample(row: LabelRow, opened: Opened) -> bool:
    """Whether a row came from the very sample that it goes to."""
    raw = row.raw.data if row.raw is not None and row.raw.platform == PLATFORM else {}
    return bool(json_of(raw.get(SAMPLE)).get("uuid") == opened.sample.uuid)


# ---- what is there already --------------------------------------------------------------------------------


def _merged(row: EditedRow, opened: Opened, project: Project) -> tuple[LabelRow, Numbers]:
    numbering = Numbering(row, moving=project.kind.sequence)
    existing = row.existing if row.append else None
    if existing is None:
        numbering.give(row.row.objects)
        return row.row, numbering.result()
    numbering.give(existing.objects)
    names: dict[str, str] = {}
    added: list[ObjectInstance] = []
    there = {item.id: item for item in existing.objects}
    by_number = {numbering.result().objects[item.id].number: item for item in existing.objects}
    own = own_sample(row.row, opened)
    for item in row.row.objects:
        twin = there.get(item.id) if own else _twin(item, numbering.derived(item.id), there, by_number)
        if twin is not None:
            numbering.note(item, "already there", f"it is in the row as {twin.id}; it is not added again")
            names[item.id] = twin.id
        else:
            names[item.id] = f"{item.id}@{row.key.key}" if item.id in there else item.id
            added.append(item if names[item.id] == item.id else replace(item, id=names[item.id]))
    numbering.give(added, {name: old for old, name in names.items()})
    return _joined(existing, row.row, added, names, row.key.key), numbering.result()


def _twin(
    item: ObjectInstance,
    derived: int,
    there: Mapping[str, ObjectInstance],
    by_number: Mapping[int, ObjectInstance],
) -> ObjectInstance | None:
    """The object of the opened row that an object from elsewhere became in an earlier run, if it did."""
    known = by_number.get(derived)
    # People may have edited it since: that it has another class says nothing.
    if known is not None:
        return known
    same = there.get(item.id)
    return same if same is not None and own_numbers(item) and _alike(same, item) else None


def _alike(one: ObjectInstance, other: ObjectInstance) -> bool:
    """Whether two objects say the same, pixels and all."""
    return (
        (one.class_name, one.answers, one.track, one.sensor)
        == (other.class_name, other.answers, other.track, other.sensor)
        and one.occurrences.keys() == other.occurrences.keys()
        and all(
            _plain(found.geometry) == _plain(other.occurrences[frame].geometry)
            for frame, found in one.occurrences.items()
        )
    )


def _plain(geometry: Geometry) -> Geometry:
    """A mask as its pixels, if it has any that can be read."""
    try:
        return mask_of(geometry) if isinstance(geometry, Mask | Raster | EncodedMask | Instance) else geometry
    except MaskError:
        return geometry


def _joined(
    existing: LabelRow, row: LabelRow, added: list[ObjectInstance], names: Mapping[str, str], source: str
) -> LabelRow:
    """What is there and what is new, of which `names` has the ids that objects have in it."""
    marks = [item for item in row.classifications if not _said(existing, item)]
    groups = [
        replace(group, objects=tuple(names.get(name, name) for name in group.objects)) for group in row.groups
    ]
    relations = [
        replace(one, source=names.get(one.source, one.source), target=names.get(one.target, one.target))
        for one in row.relations
    ]
    return replace(
        existing,
        objects=(*existing.objects, *added),
        classifications=(*existing.classifications, *marks),
        groups=joined_groups(existing.groups, groups, source),
        relations=(*existing.relations, *(one for one in relations if one not in existing.relations)),
    )


def _said(existing: LabelRow, mark: Classification) -> bool:
    """Whether the row says a classification already, on at least as many frames."""
    return any(
        item.sensor == mark.sensor
        and item.answer == mark.answer
        and (item.frames is None or (mark.frames is not None and not spans.without(mark.frames, item.frames)))
        for item in existing.classifications
    )


# ---- what is drawn ----------------------------------------------------------------------------------------


def _drawn(row: LabelRow, source: LabelRow, kinds: Mapping[str | None, Kind]) -> LabelRow:
    """The row with polygons as masks, and masks of no known size as large as their frames, in bitmaps."""
    objects = tuple(
        _of_bitmap(item, row, source) if item.sensor in kinds and kinds[item.sensor].bitmaps else item
        for item in row.objects
    )
    same = all(new is old for new, old in zip(objects, row.objects, strict=True))
    return row if same else row.with_objects(objects)


def _of_bitmap(item: ObjectInstance, row: LabelRow, source: LabelRow) -> ObjectInstance:
    drawn: dict[int, Occurrence] = {}
    for frame, found in item.occurrences.items():
        geometry = found.geometry
        unsized = isinstance(geometry, Mask) and not geometry.toggles.size
        if not (unsized or isinstance(geometry, Polygon)):
            continue
        size = row.size_at(frame, item.sensor) or source.size_at(frame, item.sensor)
        what = f"row {row.title or row.key!r}, object {item.id!r} ({item.class_name}), frame {frame}"
        if isinstance(geometry, Polygon):
            if size is None:
                why = "the size of the picture is not known, so its polygon cannot be drawn into a bitmap"
                raise RowError(f"{what}: {why}; give the size in the source")
            try:
                drawn[frame] = replace(found, geometry=polygons.fill(geometry.parts, *size))
            except MaskError as error:
                raise RowError(f"{what}: {error}") from error
        elif size is not None:
            drawn[frame] = replace(found, geometry=Mask.empty(*size))
    return replace(item, occurrences={**item.occurrences, **drawn}) if drawn else item
