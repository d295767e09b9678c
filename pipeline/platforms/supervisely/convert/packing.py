"""A row of the label model to the annotation that Supervisely keeps for an image."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from pipeline.core.labels import LabelRow, MediaKind, Raw
from pipeline.core.losses import LossKind
from pipeline.core.merging import appended
from pipeline.core.rows import EditedRow, PackedRow, Place
from pipeline.platforms.supervisely.convert.carrying import anchors, bound, carried, left
from pipeline.platforms.supervisely.convert.context import Packing
from pipeline.platforms.supervisely.convert.geometry import kind_of
from pipeline.platforms.supervisely.convert.groups import joined, keys_of
from pipeline.platforms.supervisely.convert.labelling import PLACE_KEYS, Written, write_object
from pipeline.platforms.supervisely.convert.marks import new_marks, write_marks
from pipeline.platforms.supervisely.convert.meaning import digest_of, meaning_of_image, meaning_of_label
from pipeline.platforms.supervisely.convert.pairing import paired
from pipeline.platforms.supervisely.convert.pixels import comparable
from pipeline.platforms.supervisely.convert.project import Opened, Project, json_of
from pipeline.platforms.supervisely.convert.tags import without_place
from pipeline.platforms.supervisely.wire import MULTIPOLYGON, PLATFORM, SEPARATE, Json, JsonValue, is_size

_IMAGE_KEYS: Final = frozenset(
    {"imageId", "imageName", "id", "datasetId", "createdAt", "updatedAt", "objects"}
)
"""Keys of an annotation that belong to the image that it was of."""


class _Packed(NamedTuple):
    """Labels as they travel, and the key of each one's group."""

    labels: Sequence[Json]
    keys: Sequence[str | None]


def pack_row(
    edited: EditedRow, project: Project, *, inline: bool = False, in_place: bool = True
) -> PackedRow:
    """Return the row as the whole annotation that replaces the one of its image.

    `edited.place.details` is the `Opened` image and `edited.existing` the row that was read from it. The
    payload is an element of `annotations` of `annotations.bulk.add`, as JSON in one line. Multipolygons and
    alpha masks are no part of it, unless `inline`: they follow in a second line, if there are any, as a list
    of `figures` for `figures.bulk.add`, in which alpha masks have their `bitmap` inside, to be taken out and
    sent after it.

    The digest is that of what the row means, so that an edit which has arrived is known by what the image
    says then. To find that takes as long as all else here, so a row that is not edited `in_place` gets the
    digest of its payload.

    A row that is to be appended keeps what is there; of its own labels those are added that say something
    which no label there says. Raises RowError for anything that must not be sent.
    """
    packing = Packing(edited, project)
    _lose_row(packing)
    done = _labels(packing)
    marks = write_marks(packing)
    packed = _packed(packing, done)
    whole = _annotation(packing, marks)
    payload = _payload(packing, whole, packed.labels, inline=inline)
    meaning = _digest(packing, meaning_of_image(whole), packed) if in_place else None
    _row_notes(packing)
    return PackedRow(
        key=edited.key,
        # What was opened is large, and from here on only the image is needed of it.
        place=Place(edited.place.id, edited.place.title, Opened(packing.image)),
        payload=payload,
        labels=len(done) + len(packing.row.classifications),
        digest=meaning or blake2b(payload, digest_size=16).hexdigest(),
        unchanged=_is_there(packing, whole, packed, meaning),
        losses=tuple(packing.losses),
        notes=tuple(packing.notes),
        row=packing.row,
    )


def bulk_body(dataset_id: int, lines: Sequence[bytes]) -> bytes:
    """Return the body of `annotations.bulk.add`: the first lines of payloads, all of one dataset."""
    head = b'{"datasetId":%d,"skipBoundsValidation":false,"annotations":[' % dataset_id
    return b"".join((head, b",".join(lines), b"]}"))


def extra_figures(payload: bytes) -> list[Json]:
    """Return the figures of a payload that have to be added beside the annotation."""
    rest = payload.partition(b"\n")[2]
    found: list[Json] = msgspec.json.decode(rest) if rest else []
    return found


# ---- labels ---------------------------------------------------------------------------------------------


def _labels(packing: Packing) -> list[Written]:
    """The objects of the row as they travel; where it is appended, with those that are there."""
    existing = packing.edited.existing
    if not packing.edited.append or existing is None:
        return [one for item in packing.row.objects if (one := write_object(packing, item)) is not None]
    kept = [one for item in existing.objects if (one := write_object(packing, item)) is not None]
    mine = [one for item in packing.row.objects if (one := write_object(packing, item)) is not None]
    alike = comparable([one.label for one in mine], [one.label for one in kept], packing.size)
    said, said_there = (
        {one.id: _meaning(packing, label) for one, label in zip(some, labels, strict=True)}
        for some, labels in zip((mine, kept), alike, strict=True)
    )
    own = {one.id for one in mine if one.in_place}
    names = paired(said, packing.row.groups, said_there, existing.groups, own)
    added = []
    for one in (one for one in mine if one.id not in names):
        names[one.id] = _free(one.id, packing.there)
        added.append(one._replace(id=names[one.id]))
    packing.row = _joined(packing, existing, names)
    return kept + added


def _free(name: str, taken: Container[str]) -> str:
    """An id that no object there has, which may be one of another server."""
    while name in taken:
        name += "+"
    return name


def _joined(packing: Packing, existing: LabelRow, names: Mapping[str, str]) -> LabelRow:
    """The row that is there with what is added to it, under the names that objects have now."""
    row = packing.row
    renamed = tuple(
        item if names.get(item.id, item.id) == item.id else replace(item, id=names[item.id])
        for item in row.objects
    )
    whole = appended(existing, replace(row, objects=renamed, classifications=new_marks(packing, existing)))
    groups, packing.homes = joined(existing, row, names, anchors(packing))
    return replace(whole, groups=groups)


def _meaning(packing: Packing, label: Json) -> bytes:
    known = packing.project.classes.get(label.get("classTitle", ""))
    return meaning_of_label(label, None if known is None else known.shape)


def _packed(packing: Packing, done: list[Written]) -> _Packed:
    """The labels with their groups, and with those that are carried along."""
    in_place = {one.id for one in done if one.in_place}
    keys = keys_of(packing.row, packing.edited.existing, in_place, packing.image.key, left(packing))
    for member, group in keys.twice:
        packing.lose(member, LossKind.GROUP, f"a label is in one group; it would also be in {group!r}")
    found = [(one.label, keys.objects.get(one.id)) for one in done]
    found += carried(packing, keys)
    return _Packed(
        [bound(label, key) for label, key in found],
        [None if key is None else key.name for _, key in found],
    )


def _digest(packing: Packing, said: bytes, packed: _Packed) -> str:
    """The digest of what an annotation means."""
    return digest_of(said, [_meaning(packing, label) for label in packed.labels], packed.keys)


def _is_there(packing: Packing, whole: Json, packed: _Packed, meaning: str | None) -> bool:
    """Whether the image has this annotation already. Masks are looked into where nothing else tells."""
    annotation = packing.opened.annotation or {}
    labels = _labels_there(packing, annotation)
    if len(labels) != len(packed.labels):
        return False
    said = meaning_of_image(whole)
    if said != meaning_of_image(annotation):
        return False
    groups = [one.get("instance") for one in labels]
    there = _Packed(labels, [None if one is None else str(one) for one in groups])
    if (meaning or _digest(packing, said, packed)) == _digest(packing, said, there):
        return True
    mine, theirs = comparable(packed.labels, labels, packing.size)
    if mine is packed.labels:
        return False
    return _digest(packing, said, packed._replace(labels=mine)) == _digest(
        packing, said, there._replace(labels=theirs)
    )


def _labels_there(packing: Packing, annotation: Json) -> Sequence[Json]:
    """The labels that the image has, with the bitmaps that came apart from them."""
    labels: Sequence[Json] = annotation.get("objects") or ()
    held = packing.opened.geometries
    if held:
        labels = [
            {**one, "bitmap": held[one["id"]]} if one.get("id") in held and not one.get("bitmap") else one
            for one in labels
        ]
    return labels


# ---- the row --------------------------------------------------------------------------------------------


def _lose_row(packing: Packing) -> None:
    row = packing.edited.row
    if row.media_kind is not MediaKind.IMAGE:
        why = f"a project of images holds single pictures; this row is a {row.media_kind.value}"
        packing.lose(None, LossKind.FRAMES, why)
    for link in row.relations:
        why = f"Supervisely has no relations of labels ({link.name!r})"
        packing.lose(link.source, LossKind.RELATION, why)


def _row_notes(packing: Packing) -> None:
    row = packing.row
    for name, value in (("status", row.status), ("priority", row.priority), ("score", row.score)):
        if value is not None:
            packing.note(None, name, f"Supervisely holds no {name} of an image with its annotation")
    if row.metadata and row.metadata != packing.image.meta:
        packing.note(None, "metadata", "the metadata of an image are not written with its annotation")


def _annotation(packing: Packing, tags: list[JsonValue]) -> Json:
    """The annotation without its labels: its other keys as they came, or else as they are there.

    So what a source does not tell stays: exports of the vendor's SDK have no custom data in them.
    """
    raw, existing = packing.row.raw, packing.edited.existing
    own = json_of(raw.data.get("annotation")) if raw is not None and raw.platform == PLATFORM else None
    there = packing.opened.annotation or {}
    base = there if own is None else own
    in_place = own is None or (existing is not None and _came_from(existing.raw, own))
    whole: Json = {"description": "", "size": None, "tags": []}
    if not in_place:
        whole |= {key: value for key, value in there.items() if key not in _IMAGE_KEYS}
    whole |= {key: value for key, value in base.items() if in_place or key not in _IMAGE_KEYS}
    whole.pop("objects", None)
    whole["description"] = whole["description"] or ""
    whole["tags"] = tags
    size = _size_json(packing, json_of(there.get("size")))
    if size:
        whole["size"] = size
    return whole


def _came_from(raw: Raw | None, annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation, which has the ids of its image, is the one of this `raw`."""
    return raw is not None and raw.platform == PLATFORM and raw.data.get("annotation") == annotation


def _size_json(packing: Packing, there: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The size that the annotation in the target says, if it makes sense, else the one that is known."""
    if is_size(there.get("height")) and is_size(there.get("width")):
        return there
    if packing.size is None:
        return None
    height, width = packing.size
    return {"height": height, "width": width}


# ---- the payload ----------------------------------------------------------------------------------------


def _payload(packing: Packing, whole: Json, labels: Sequence[Json], *, inline: bool) -> bytes:
    apart = [] if inline else [one for one in labels if kind_of(one) in SEPARATE]
    if apart:
        labels = [one for one in labels if kind_of(one) not in SEPARATE]
    line = {"imageId": packing.image.id, "annotation": {**whole, "objects": labels}}
    try:
        first = _encoder.encode(line)
        if not apart:
            return first
        figures = [_figure(packing, one) for one in apart]
        return b"\n".join((first, _encoder.encode(figures)))
    except (TypeError, ValueError, NotImplementedError, msgspec.MsgspecError) as error:
        raise packing.refuse("", f"its annotation is no JSON: {error}") from error


def _figure(packing: Packing, label: Json) -> Json:
    """A label that is a figure of its own: of its class by id, with a nested multipolygon."""
    name = label["classTitle"]
    known = packing.project.classes.get(name)
    if known is None or known.id is None:
        raise packing.refuse("", f"the id of class {name!r} is not known, and a {kind_of(label)} needs it")
    figure: Json = {"entityId": packing.image.id, "classId": known.id}
    figure |= {key: value for key, value in label.items() if key not in PLACE_KEYS}
    figure["tags"] = [one if isinstance(one, str) else without_place(one) for one in figure.get("tags") or ()]
    if kind_of(label) == MULTIPOLYGON and "parts" in figure:
        figure["geometry"] = {"parts": figure.pop("parts")}
    return figure


def _plain(value: Any) -> Any:  # noqa: ANN401 - msgspec's hook takes what it cannot encode
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"a value of type {type(value).__name__} is not JSON")


_encoder: Final = msgspec.json.Encoder(enc_hook=_plain)
