"""COCO's images and annotations to rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from pipeline.core.geometry import Geometry, Shape
from pipeline.core.labels import (
    NO_PROVENANCE,
    Answer,
    Group,
    LabelRow,
    Media,
    ObjectInstance,
    Occurrence,
    Provenance,
    Raw,
)
from pipeline.core.ontology import AttributeKind
from pipeline.errors import RowError
from pipeline.platforms.coco.convert.categories import Categories
from pipeline.platforms.coco.convert.geometry import (
    is_tight,
    read_box,
    read_mask,
    read_polygon,
    read_skeleton,
    rle_size,
    states_points,
)
from pipeline.platforms.coco.settings import Wanted
from pipeline.platforms.coco.wire import Json

PLATFORM = "coco"
SEGMENTATION, KEYPOINTS, BOX = "segmentation", "keypoints", "bbox"
BY_MODEL = Provenance(manual=False)


def stated(annotation: Json, wanted: Wanted = Wanted.ALL) -> list[tuple[str, Shape]]:
    """Return the keys of an annotation that state a geometry of their own, with its shape.

    An empty segmentation, keypoints of zeros, and a bbox that is the tight box of the segmentation do not.
    """
    found = []
    segmentation = annotation.get(SEGMENTATION)
    if segmentation and wanted in (Wanted.ALL, Wanted.SEGMENTATION):
        found.append((SEGMENTATION, Shape.MASK if isinstance(segmentation, dict) else Shape.POLYGON))
    if wanted in (Wanted.ALL, Wanted.KEYPOINTS) and states_points(annotation.get(KEYPOINTS)):
        found.append((KEYPOINTS, Shape.SKELETON))
    box = annotation.get(BOX)
    if box and (wanted is Wanted.BOX or (wanted is Wanted.ALL and not is_tight(box, segmentation))):
        found.append((BOX, Shape.BOX))
    return found


def read_geometry(annotation: Json, key: str, names: Sequence[str]) -> Geometry:
    """Return the geometry that one key of an annotation states. Raises ValueError."""
    value = annotation[key]
    if key == SEGMENTATION:
        return read_mask(value) if isinstance(value, dict) else read_polygon(value)
    return read_skeleton(value, names) if key == KEYPOINTS else read_box(value)


def read_answers(attributes: Any) -> tuple[Answer, ...]:  # noqa: ANN401 - any JSON value
    """Return the answers of the key `attributes`, as CVAT writes it: a name and a plain value each."""
    if attributes is None:
        return ()
    if not isinstance(attributes, dict):
        raise ValueError("attributes is not an object of names and values")  # noqa: TRY004 - a value of a file
    return tuple(Answer(name, kind_of(value), value) for name, value in attributes.items())


def kind_of(value: object) -> AttributeKind:
    """Return the kind that a plain value is read as."""
    if isinstance(value, str):
        return AttributeKind.TEXT
    if isinstance(value, bool):
        return AttributeKind.BOOLEAN
    return AttributeKind.NUMBER if isinstance(value, int | float) else AttributeKind.JSON


def group_key(value: object) -> str | None:
    """Return what a group field says: text, or a whole number as text; None: nothing. Raises ValueError."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        return str(int(value))
    raise ValueError(f"its group is {value!r}; expected text or a whole number")


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes rows. `results` says that the annotations are detections.

    `group_field` is a key of annotations: those of an image that say the same there are one group.
    """

    categories: Categories
    wanted: Wanted = Wanted.ALL
    results: bool = False
    group_field: str | None = None

    def row(self, image: Json, annotations: Sequence[Json], size: tuple[int, int] | None = None) -> LabelRow:
        """Return the row of one image. `size` is (height, width) where the image does not say it.

        Raises RowError that names the annotation and what is wrong with it.
        """
        key = str(image["id"])
        name = image.get("file_name")
        title = name if isinstance(name, str) else key
        objects: list[ObjectInstance] = []
        groups = _Groups()
        try:
            size = _size_of(image) or size
            alike: Counter[str] = Counter()
            for place, annotation in enumerate(annotations):
                mask = annotation.get(SEGMENTATION)
                if isinstance(mask, dict):
                    size = _agreed(size, rle_size(mask), _name(annotation, place))
                made = self.objects(annotation, place, _identity(annotation, alike))
                objects += made
                groups.add(self._group(annotation, place), [item.id for item in made])
        except ValueError as error:
            raise RowError(f"image {key} ({title}): {error}") from error
        media = Media(
            title,
            name if isinstance(name, str) else None,
            next((image[url] for url in ("coco_url", "flickr_url", "url") if _is_url(image.get(url))), None),
            height=size[0] if size else None,
            width=size[1] if size else None,
        )
        return LabelRow(
            key,
            title,
            media=(media,),
            objects=tuple(objects),
            groups=groups.found(),
            raw=Raw(PLATFORM, image),
        )

    def _group(self, annotation: Json, place: int) -> str | None:
        if self.group_field is None:
            return None
        try:
            return group_key(annotation.get(self.group_field))
        except ValueError as error:
            raise ValueError(f"{_name(annotation, place)}: {self.group_field}: {error}") from error

    def objects(self, annotation: Json, place: int, identity: str) -> list[ObjectInstance]:
        """Return one object for each geometry that the annotation, the `place`th of its image, states.

        Raises ValueError.
        """
        try:
            return self._objects(annotation, identity)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{_name(annotation, place)}: {error}") from error

    def _objects(self, annotation: Json, identity: str) -> list[ObjectInstance]:
        points = states_points(annotation.get(KEYPOINTS))
        category = self.categories.find(annotation.get("category_id"), points=points)
        keys = stated(annotation, self.wanted)
        if not keys and self.wanted is Wanted.ALL and not annotation.get(BOX):
            raise ValueError("it states no geometry: no segmentation, bbox or keypoints")
        score = annotation.get("score")
        if score is not None and type(score) not in (int, float):
            raise ValueError(f"score is {score!r}; expected a number")
        answers = read_answers(annotation.get("attributes"))
        raw = Raw(PLATFORM, annotation)
        made: list[ObjectInstance] = []
        for key, _ in keys:
            geometry = read_geometry(annotation, key, category.points)
            found = Occurrence(
                geometry, confidence=score, provenance=BY_MODEL if self.results else NO_PROVENANCE
            )
            number = f"{identity}:{key}" if made else identity
            made.append(ObjectInstance(number, category.name, {0: found}, answers, raw=raw))
        return made


class _Groups:
    """The groups of an image: what annotations say, and the geometries of one that says nothing."""

    def __init__(self) -> None:
        self._said: dict[str, list[str]] = {}
        self._stated: list[list[str]] = []

    def add(self, key: str | None, members: list[str]) -> None:
        """Add the objects of one annotation, under its key if it has one."""
        if key is None:
            self._stated += [members] if len(members) > 1 else []
        elif members:
            self._said.setdefault(key, []).extend(members)

    def found(self) -> tuple[Group, ...]:
        """Return the groups; one of an annotation has the id of its first object, or one made of it."""
        said = (Group(key, tuple(members)) for key, members in self._said.items())
        stated = []
        for members in self._stated:
            key = members[0]
            while key in self._said:
                key += ":all"
            stated.append(Group(key, tuple(members)))
        return (*said, *stated)


def _identity(annotation: Json, alike: Counter[str]) -> str:
    """Return the annotation's id; a detection has none, so what it says stands for it.

    Detections of two files, or of two nights, are thus told apart, and one that comes again is known again.
    `alike` counts those of this image that say the same.
    """
    if "id" in annotation:
        return str(annotation["id"])
    said = msgspec.json.encode(annotation, order="sorted")
    found = f"detection-{blake2b(said, digest_size=8).hexdigest()}"
    alike[found] += 1
    return found if alike[found] == 1 else f"{found}-{alike[found]}"


def _name(annotation: Json, place: int) -> str:
    return f"annotation {annotation['id']}" if "id" in annotation else f"annotation [{place}] of the image"


def _size_of(image: Json) -> tuple[int, int] | None:
    height, width = image.get("height"), image.get("width")
    if height is None or width is None:
        return None
    if type(height) is not int or type(width) is not int or height < 1 or width < 1:
        raise ValueError(f"its height is {height!r} and its width {width!r}; expected whole numbers above 0")
    return height, width


def _agreed(size: tuple[int, int] | None, found: tuple[int, int], name: str) -> tuple[int, int]:
    if size is not None and size != found:
        raise ValueError(
            f"{name}: its mask is {found[0]} x {found[1]} (height x width), "
            f"the image is {size[0]} x {size[1]}"
        )
    return found


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))
