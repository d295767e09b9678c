"""What a row of the label model means, in the words in which the SDK's view of a row is told.

Written from the definitions of the label model and nothing of the Encord platform.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.core import codecs
from pipeline.core.geometry import (
    Box,
    Cuboid2D,
    Ellipse,
    Geometry,
    Point,
    Polygon,
    Polyline,
    RotatedBox,
    Skeleton,
)
from pipeline.core.labels import Answer, Classification, Frames, LabelRow, ObjectInstance, Option
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.ontology import AttributeKind
from tests.oracles.encord.project import Json, differences

SHAPES = {"box": "bounding_box", "rotated_box": "rotatable_bounding_box", "mask": "bitmask"}
"""The names that differ between the label model and Encord."""


def row(found: LabelRow) -> Json:
    """The labels of a row, without hashes."""
    return {
        "objects": [_object(item) for item in found.objects],
        "classifications": [_classification(item, found.frame_count or 1) for item in found.classifications],
    }


def disagreements(meant: LabelRow, seen: Json) -> list[str]:
    """Where what the SDK sees differs from what a row means; labels are paired by what they are."""
    said = row(meant)
    return [
        text
        for part in ("objects", "classifications")
        for text in differences(
            {"labels": _sorted(said[part])}, {"labels": _sorted(_bare(seen[part].values()))}, part
        )
    ]


def _bare(items: Iterable[Json]) -> list[Json]:
    """Labels without what the server or the annotator's tool adds."""
    kept = []
    for item in items:
        bare = {key: value for key, value in item.items() if key != "number"}
        if "dynamic" in item:
            bare["dynamic"] = {name: held for name, held in item["dynamic"].items() if held}
            bare["frames"] = {
                frame: {"drawn": found["drawn"], "confidence": found["confidence"]}
                for frame, found in item["frames"].items()
            }
        kept.append(bare)
    return kept


def _sorted(items: Iterable[Json]) -> list[Json]:
    def order(item: Json) -> str:
        frames = item["frames"]
        places = frames if isinstance(frames, list) else [(frame, _start(frames[frame])) for frame in frames]
        return repr((item["name"], places, item["answers"]))

    return sorted(items, key=order)


def _start(found: Json) -> str:
    return repr(found["drawn"])[:24]


def _object(item: ObjectInstance) -> Json:
    dynamic: Json = {}
    for answer in item.answers:
        if answer.frames is not None:
            dynamic.setdefault(answer.attribute, []).append([_value(answer), _spans(answer.frames)])
    return {
        "name": item.class_name,
        "shape": SHAPES.get(item.shape.value, item.shape.value),
        "frames": {
            str(frame): {
                "drawn": drawn(one.geometry),
                "confidence": 1.0 if one.confidence is None else one.confidence,
            }
            for frame, one in item.occurrences.items()
        },
        "answers": _answers(answer for answer in item.answers if answer.frames is None),
        "dynamic": {name: sorted(held, key=lambda pair: pair[1]) for name, held in dynamic.items()},
    }


def _classification(item: Classification, count: int) -> Json:
    frames = ((0, count - 1),) if item.frames is None else item.frames
    return {
        "name": item.name,
        "frames": [] if item.name == "Checked" else _spans(frames),
        "answers": _answers((item.answer,)),
        "confidence": 1.0 if item.confidence is None else item.confidence,
    }


def _spans(frames: Frames) -> list[list[int]]:
    return [list(span) for span in frames]


def _answers(answers: Iterable[Answer]) -> Json:
    found: Json = {}
    for answer in answers:
        if answer.kind is AttributeKind.RADIO:
            option = answer.value
            assert isinstance(option, Option)
            found[answer.attribute] = {option.name: _answers(option.answers)}
        else:
            found[answer.attribute] = _value(answer)
    return found


def _value(answer: Answer) -> Any:  # noqa: ANN401 - text, a number, an option or several
    value: Any = answer.value
    if answer.kind is AttributeKind.CHECKLIST:
        return sorted(option.name for option in value)
    return value.name if isinstance(value, Option) else value


def drawn(geometry: Geometry) -> Json:  # noqa: PLR0911 - a table of geometries
    """A geometry in pixels; angles in degrees, masks as the positions where they change."""
    match geometry:
        case Box(x, y, width, height):
            return {"box": [x, y, width, height]}
        case RotatedBox(x, y, width, height, angle):
            return {"rotated_box": [x, y, width, height, angle]}
        case Ellipse(x, y, rx, ry, angle, circle):
            return {"circle" if circle else "ellipse": [x, y, rx, ry, angle]}
        case Polygon(parts):
            return {"polygon": [[_points(ring) for ring in part] for part in parts]}
        case Polyline(points):
            return {"polyline": _points(points)}
        case Point(x, y):
            return {"point": [x, y]}
        case Skeleton(nodes):
            return {"skeleton": [[node.name, node.x, node.y, node.visibility.value] for node in nodes]}
        case Cuboid2D(front, back):
            return {"cuboid_2d": [_points(front), _points(back)]}
        case Mask() | Raster() | EncodedMask():
            return {"mask": mask(geometry)}
    raise TypeError(f"geometry of {type(geometry)}")


def mask(found: Mask | Raster | EncodedMask) -> list[Any]:
    """Height, width, and the positions, row by row, where the pixels change between unset and set."""
    if isinstance(found, EncodedMask):
        found = codecs.decode(found.codec, found.data, found.height, found.width)
    pixels = found.to_mask() if isinstance(found, Raster) else found
    return [pixels.height, pixels.width, pixels.toggles.tolist()]


def _points(points: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [[x, y] for x, y in points]
