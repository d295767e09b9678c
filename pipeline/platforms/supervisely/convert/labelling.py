"""Objects to labels: as they came, patched with what changed, or new."""

from dataclasses import replace
from typing import Any, Final, NamedTuple, cast

import msgspec

from pipeline.core import codecs
from pipeline.core.geometry import AnyMask, Geometry, Polygon, Shape, Skeleton, Visibility, shape_of
from pipeline.core.labels import ObjectInstance, Occurrence
from pipeline.core.losses import LossKind
from pipeline.core.masks import EncodedMask, MaskError
from pipeline.core.measure import ring_area
from pipeline.platforms.supervisely.convert.bounds import check_inside
from pipeline.platforms.supervisely.convert.context import Packing, named, own_raw
from pipeline.platforms.supervisely.convert.geometry import (
    GEOMETRY_KEYS,
    Drawn,
    GeometryError,
    geometry_json,
    kind_of,
    read_geometry,
)
from pipeline.platforms.supervisely.convert.project import Class
from pipeline.platforms.supervisely.convert.tags import AnswerError, Said, write_tags
from pipeline.platforms.supervisely.wire import DRAWN, MASK_CODEC, MULTIPOLYGON, Json, JsonValue

PLACE_KEYS: Final = frozenset(
    {
        "id", "classId", "labelerLogin", "createdAt", "updatedAt", "entityId", "imageId", "datasetId",
        "projectId", "objectId", "trackId",
    }
)  # fmt: skip
"""Keys of a label that belong to the figure that it was: another figure does not take them over."""


class Written(NamedTuple):
    """An object as it travels, but for its group. `in_place`: it is still the figure that it was."""

    id: str
    label: Json
    in_place: bool = False


def write_object(packing: Packing, item: ObjectInstance) -> Written | None:
    """Return an object as a label, or None where the project cannot hold it, which is then a loss.

    What did not change since the row was opened goes back as it is, and is not judged. Raises RowError.
    """
    in_place = False
    if item.raw is not None and (old := packing.there.get(item.id)) is not None:
        in_place = own_raw(old) is not None and (old.raw is item.raw or old.raw == item.raw)
        if in_place and (old is item or _untouched(old, item)):
            return Written(item.id, _as_it_came(item), in_place=True)
    found = _drawn_once(packing, item)
    if found is None:
        return None
    try:
        label = _label(packing, item, found, in_place=in_place)
    except (GeometryError, MaskError, AnswerError) as error:
        raise packing.refuse(named(item), error) from error
    return None if label is None else Written(item.id, label, in_place)


def _untouched(old: ObjectInstance, item: ObjectInstance) -> bool:
    return (old.class_name, old.track, old.sensor, old.answers, old.occurrences) == (
        item.class_name,
        item.track,
        item.sensor,
        item.answers,
        item.occurrences,
    )


def _as_it_came(item: ObjectInstance) -> Json:
    label = own_raw(item) or {}
    geometry = item.occurrences[0].geometry
    if isinstance(geometry, EncodedMask):
        label["bitmap"] = _raw_text(geometry.data)
    return label


def _raw_text(data: str | bytes) -> msgspec.Raw:
    return msgspec.Raw(data if isinstance(data, bytes) else data.encode())


def _drawn_once(packing: Packing, item: ObjectInstance) -> Occurrence | None:
    """What is drawn of an object on the one image, after all else of it is said to be lost."""
    if item.sensor is not None or len(item.occurrences) > (0 in item.occurrences):
        frames = f"frames {sorted(item.occurrences.keys() - _FIRST)}"
        where = frames if item.sensor is None else f"sensor {item.sensor!r}"
        why = f"{named(item)} is on {where}; a project of images holds single pictures"
        packing.lose(item.id, LossKind.FRAMES, why)
    found = item.occurrences.get(0)
    if found is None or item.sensor is not None:
        return None
    shape = shape_of(found.geometry)
    if shape not in DRAWN:
        why = f"Supervisely has no {shape.value} ({item.class_name}); add `convert`, or drop it"
        packing.lose(item.id, LossKind.SHAPE, why)
        return None
    if isinstance(found.geometry, Skeleton) and _is_unseen(found.geometry):
        packing.lose(item.id, LossKind.SHAPE, f"{named(item)}: every node is invisible, so nothing is drawn")
        return None
    if item.track is not None:
        what = "is its own id" if item.track == item.id else f"{item.track!r} has no place"
        if item.track == item.id:
            packing.note(item.id, "track", f"its track {what}, which the server chooses anew")
        else:
            packing.lose(item.id, LossKind.TRACK, f"the track {what}: a project of images has no tracks")
    if not found.keyframe:
        packing.lose(item.id, LossKind.KEYFRAME, "a label does not say that it was interpolated")
    return found


_FIRST: Final = frozenset({0})
"""The one frame of a picture."""


def _is_unseen(skeleton: Skeleton) -> bool:
    return all(node.visibility is Visibility.INVISIBLE for node in skeleton.nodes)


def _label(packing: Packing, item: ObjectInstance, found: Occurrence, *, in_place: bool) -> Json | None:
    geometry = found.geometry
    shape = shape_of(geometry)
    if shape is Shape.MASK:
        geometry = _encoded(cast("AnyMask", geometry))
    known = packing.project.classes.get(item.class_name)
    raw = own_raw(item) if item.raw is not None else None
    came = kind_of(raw) if raw is not None and shape is Shape.POLYGON else None
    kind = known.draws(shape, geometry, came) if known is not None else None
    if known is None or kind is None:
        why = packing.project.ontology.explain_missing(item.class_name, shape)
        raise packing.refuse(named(item), why)
    if shape is Shape.POLYGON:
        geometry = _one_part(packing, item, geometry, kind)
    tags = _tags(packing, item, found, raw, in_place=in_place)
    drawn = _drawing(packing, known, kind, geometry, raw, in_place=in_place)
    automatic = found.provenance.manual is False
    if raw is None:
        return {
            "classTitle": item.class_name,
            "description": "",
            "tags": tags,
            **drawn,
            "geometryType": kind,
            "shape": kind,
            "nnCreated": automatic,
            "nnUpdated": automatic,
        }
    return _patched(raw, item.class_name, tags, kind, drawn, known, automatic=automatic, in_place=in_place)


def _patched(
    raw: Json,
    class_name: str,
    tags: list[JsonValue],
    kind: str,
    drawn: Json,
    known: Class,
    *,
    automatic: bool,
    in_place: bool,
) -> Json:
    """The label that came with what changed put into it; nothing is in `drawn` for a drawing that did not."""
    label = raw if in_place else {key: value for key, value in raw.items() if key not in PLACE_KEYS}
    if label.get("classTitle") != class_name:
        label["classTitle"] = class_name
        if "classId" in label:
            label["classId"] = known.id
    if tags or "tags" in label or not in_place:
        label["tags"] = tags
    if drawn and drawn.keys() != {"bitmap"}:
        stale = GEOMETRY_KEYS.get(kind_of(raw), ())
        label = {key: value for key, value in label.items() if key not in stale}
    label |= drawn
    for key in ("geometryType", "shape"):
        if label.get(key) != kind and (key in label or not in_place):
            label[key] = kind
    if bool(label.get("nnCreated") and label.get("nnUpdated")) is not automatic:
        label["nnCreated"] = label["nnUpdated"] = automatic
    return label


def _drawing(
    packing: Packing, known: Class, kind: str, geometry: Geometry, raw: Json | None, *, in_place: bool
) -> Json:
    """The keys that draw a geometry, or none where those of `raw` do so already.

    What is there already may leave the picture.
    """
    place = packing.place(known.nodes)
    if isinstance(geometry, EncodedMask):
        return geometry_json(geometry, kind, place)
    same = raw is not None and kind_of(raw, kind) == kind and _draws(raw, kind, geometry, place)
    if not (same and in_place):
        check_inside(geometry, place)
    return {} if same else geometry_json(geometry, kind, place, raw)


def _draws(raw: Json, kind: str, geometry: Geometry, place: Drawn) -> bool:
    try:
        return read_geometry(kind, raw, place) == geometry
    except (GeometryError, MaskError):
        return False


def _encoded(geometry: AnyMask) -> EncodedMask:
    """A mask in the notation that travels."""
    if isinstance(geometry, EncodedMask):
        if geometry.codec == MASK_CODEC:
            return geometry
        mask = codecs.decode(geometry.codec, geometry.data, geometry.height, geometry.width)
    else:
        mask = codecs.as_mask(geometry)
    return EncodedMask(mask.height, mask.width, MASK_CODEC, codecs.encode(MASK_CODEC, mask))


def _one_part(packing: Packing, item: ObjectInstance, geometry: Geometry, kind: str) -> Geometry:
    """A polygon as the largest of its parts, where its class is drawn with one; the others are lost."""
    if not isinstance(geometry, Polygon) or kind == MULTIPOLYGON or len(geometry.parts) <= 1:
        return geometry
    why = (
        f"class {item.class_name!r} is drawn with polygons of one part, and this has {len(geometry.parts)}; "
        "only the largest is written. Make the class a multipolygon, or `convert: {to: mask}`"
    )
    packing.lose(item.id, LossKind.PARTS, why)
    return replace(geometry, parts=(max(geometry.parts, key=lambda part: ring_area(part[0])),))


def _tags(
    packing: Packing, item: ObjectInstance, found: Occurrence, raw: Json | None, *, in_place: bool
) -> list[JsonValue]:
    held: Any = (raw or {}).get("tags") or ()
    if not (item.answers or held or found.confidence is not None):
        return []

    def lose(name: str, why: str) -> None:
        what = LossKind.ATTRIBUTE if name else LossKind.CONFIDENCE
        packing.lose(item.id, what, f"{named(item)}: {why}")

    said = Said(item.answers, found.confidence)
    renamed = in_place and (raw or {}).get("classTitle") != item.class_name
    return write_tags(said, held, packing.project, item.class_name, lose, in_place=in_place, renamed=renamed)
