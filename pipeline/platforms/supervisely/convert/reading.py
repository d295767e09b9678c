"""The annotation of an image to a row of the label model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from pipeline.core.carried import CARRIED
from pipeline.core.labels import (
    NO_PROVENANCE,
    Classification,
    Group,
    LabelRow,
    Media,
    ObjectInstance,
    Occurrence,
    Provenance,
    Raw,
)
from pipeline.core.losses import Note
from pipeline.core.masks import MaskError
from pipeline.errors import RowError
from pipeline.platforms.supervisely.convert.geometry import (
    NO_NODES,
    Drawn,
    GeometryError,
    kind_of,
    read_geometry,
)
from pipeline.platforms.supervisely.convert.project import Project, Read, json_of
from pipeline.platforms.supervisely.convert.tags import TagsError, read_tags
from pipeline.platforms.supervisely.wire import PLATFORM, Image, Json, JsonValue, is_size, text_of

_sorted = msgspec.json.Encoder(order="sorted")


@dataclass(slots=True)
class _Reading:
    """One row on its way from the wire."""

    image: Image
    project: Project
    picture: Drawn
    """The image, for what has no nodes."""
    geometries: Mapping[int, Json]
    notes: list[Note] = field(default_factory=list)
    others: list[Json] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    def refuse(self, where: str, why: object) -> RowError:
        place = "in Supervisely" if self.image.id else "in its file"
        return RowError(f"row {self.image.path!r}, {where}: {why}; correct it {place}")


def alpha_figures(annotation: Json | None) -> list[int]:
    """Return the figure ids of the alpha masks whose bitmaps have to be asked for."""
    labels = (annotation or {}).get("objects")
    return [
        label["id"]
        for label in (labels if isinstance(labels, list) else ())
        if isinstance(label, Mapping)
        and label.get("geometryType") == "alpha_mask"
        and not label.get("bitmap")
        and type(label.get("id")) is int
    ]


def read_row(
    image: Image,
    annotation: Json | None,
    project: Project,
    geometries: Mapping[int, Json] | None = None,
) -> Read:
    """Return the row of an image: key its id, title its name, and the labels of its annotation.

    Nothing of what is given is changed. `geometries` are the bitmaps of alpha masks that came separately, by
    figure id. Labels that the label model does not draw are kept in the `raw` of the row, and noted. Raises
    RowError for an annotation that is none.
    """
    said: Json = annotation or {}
    size = _size(image, said)
    reading = _Reading(image, project, Drawn(*(size or (0, 0))), geometries or {})
    labels = said.get("objects") or ()
    if not isinstance(labels, list | tuple):
        raise reading.refuse("its labels", f"'objects': found {labels!r:.60}, expected a list of labels")
    found = [one for at, label in enumerate(labels) if (one := _object(reading, at, label)) is not None]
    rest: Json = {
        "dataset": image.dataset,
        "image": _about(image),
        "annotation": {key: value for key, value in said.items() if key != "objects"},
    }
    if reading.others:
        rest[CARRIED] = reading.others
    return Read(
        LabelRow(
            key=image.key,
            title=image.name,
            media=(_media(image, size),),
            objects=tuple(found),
            classifications=_marks(reading, said.get("tags")),
            groups=tuple(Group(key, tuple(members)) for key, members in reading.groups.items()),
            metadata=image.meta,
            raw=Raw(PLATFORM, rest),
        ),
        tuple(reading.notes),
    )


def blank_row(image: Image) -> LabelRow:
    """Return the row of an image without an annotation that was read."""
    return LabelRow(image.key, image.name, media=(_media(image, _size(image, {})),), metadata=image.meta)


def _size(image: Image, said: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width of the image, as it says itself, else as its annotation does."""
    if image.height and image.width:
        return image.height, image.width
    size = json_of(said.get("size"))
    height, width = size.get("height"), size.get("width")
    return (height, width) if is_size(height) and is_size(width) else None


def _media(image: Image, size: tuple[int, int] | None) -> Media:
    height, width = size or (None, None)
    ref = str(image.id) if image.id else None
    return Media(image.name, url=image.link, ref=ref, sha256=image.sha256, width=width, height=height)


def _about(image: Image) -> Json:
    about: Json = {**image.rest, "id": image.id or image.origin, "name": image.name}
    for key, value in (("datasetId", image.dataset_id), ("hash", image.hash), ("link", image.link)):
        if value:
            about[key] = value
    return about


def stays(row: LabelRow) -> tuple[Note, ...]:
    """Return notes on what a row that was read holds in its `raw` only, and so no other platform is told."""
    annotation = json_of(row.raw.data.get("annotation")) if row.raw is not None else {}
    held: list[tuple[str | None, Mapping[str, Any]]] = [(None, annotation)]
    held += [(item.id, item.raw.data) for item in row.objects if item.raw is not None]
    return tuple(
        Note(row.key, name, what, f"its {what} is kept, and goes to Supervisely only")
        for name, said in held
        for key, what in _STAYING
        if said.get(key)
    )


_STAYING = (
    ("description", "description"),
    ("customBigData", "custom data"),
    ("smartToolInput", "input of the smart tool"),
)


# ---- labels ---------------------------------------------------------------------------------------------


def _object(reading: _Reading, at: int, label: JsonValue) -> ObjectInstance | None:
    """The object of a label, or None for one that is kept as it came."""
    try:
        name = _class_name(label)
        known = reading.project.classes.get(name)
        kind = kind_of(label, known.shape if known is not None else None)
        whole = _with_bitmap(reading, label) if kind == "alpha_mask" else label
        place = (
            reading.picture
            if known is None or known.nodes is NO_NODES
            else reading.picture._replace(nodes=known.nodes)
        )
        geometry = read_geometry(kind, whole, place)
        said = read_tags(label.get("tags"), reading.project)
        number = _identity(reading, label)
        group = label.get("instance")
    except (KeyError, TypeError, ValueError, AttributeError, MaskError) as error:
        shown = label.get("id", at) if isinstance(label, Mapping) else at
        said_so = isinstance(error, GeometryError | TagsError | MaskError)
        why = error if said_so else f"{type(error).__name__}: {error}"
        raise reading.refuse(f"label {shown}", why) from error
    if geometry is None:
        _keep(reading, number, name, kind, whole)
        return None
    if group is not None:
        reading.groups.setdefault(str(group), []).append(number)
    raw = {**whole, "bitmap": None} if kind == "bitmap" else whole
    found = Occurrence(geometry, confidence=said.confidence, provenance=_provenance(label))
    return ObjectInstance(number, name, {0: found}, said.answers, raw=Raw(PLATFORM, raw))


def _class_name(label: JsonValue) -> str:
    if not isinstance(label, Mapping):
        raise GeometryError(f"found {label!r:.60}, expected a label")
    name = label.get("classTitle")
    if type(name) is not str:
        raise GeometryError(f"'classTitle': found {name!r:.60}, expected the name of a class")
    return name


def _keep(reading: _Reading, number: str, name: str, kind: str, label: Json) -> None:
    reading.others.append(label)
    why = f"a {kind} of class {name!r} is not drawn here; it is kept, and goes to Supervisely only"
    reading.notes.append(Note(reading.image.key, number, "shape", why))


def _with_bitmap(reading: _Reading, label: Json) -> Json:
    if label.get("bitmap"):
        return label
    bitmap = reading.geometries.get(label.get("id", 0))
    return label if bitmap is None else {**label, "bitmap": bitmap}


def _identity(reading: _Reading, label: Json) -> str:
    """The id of the figure; one without stands for what it says. No two of a row have the same."""
    figure = label.get("id")
    found = str(figure) if figure is not None else derived(label)
    number, more = found, 1
    while number in reading.ids:
        more += 1
        number = f"{found}-{more}"
    reading.ids.add(number)
    return number


def derived(label: Json) -> str:
    """Return an id for a label that has none: the same for one that says the same."""
    return f"label-{blake2b(_sorted.encode(label), digest_size=8).hexdigest()}"


_BY_HAND = Provenance(manual=True)
_BY_MODEL = Provenance(manual=False)


def _provenance(label: Json) -> Provenance:
    """A label was made by a person, by a model, or by a model and then corrected by a person."""
    manual = not (label.get("nnCreated") and label.get("nnUpdated"))
    created, edited = text_of(label.get("createdAt")), text_of(label.get("updatedAt"))
    author = text_of(label.get("labelerLogin"))
    if created is None and author is None and edited is None:
        return (_BY_HAND if manual else _BY_MODEL) if "nnCreated" in label else NO_PROVENANCE
    return Provenance(created, author, edited, manual=manual)


def _marks(reading: _Reading, tags: JsonValue) -> tuple[Classification, ...]:
    """The tags of the image, each name once."""
    if not tags:
        return ()
    try:
        said = read_tags(tags, reading.project, of_image=True)
        by_name: dict[str, list[JsonValue]] = {}
        for tag in tags:
            by_name.setdefault(tag if type(tag) is str else tag["name"], []).append(tag)
    except TagsError as error:
        raise reading.refuse("tags of the image", error) from error
    return tuple(
        Classification(
            f"tag-{answer.attribute}", answer, raw=Raw(PLATFORM, {"tags": by_name[answer.attribute]})
        )
        for answer in said.answers
    )
