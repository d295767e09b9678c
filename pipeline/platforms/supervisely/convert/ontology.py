"""The meta of a project (its classes and tags) to an ontology.

What came is kept whole under `supervisely` in `raw` of classes, attributes and classifications, so that keys
which the label model does not know go out as they came in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline.core.geometry import Shape
from pipeline.core.ontology import (
    AttributeDef,
    AttributeKind,
    ClassDef,
    ClassificationDef,
    Ontology,
    OptionDef,
    SkeletonTemplate,
    TemplateNode,
)
from pipeline.errors import UsageError
from pipeline.platforms.supervisely.wire import ANY, PLATFORM, SHAPES, Json, JsonValue

VALUE_TYPES: Final[dict[str, AttributeKind]] = {
    "none": AttributeKind.BOOLEAN,
    "any_string": AttributeKind.TEXT,
    "any_number": AttributeKind.NUMBER,
    "oneof_string": AttributeKind.RADIO,
    "date": AttributeKind.TEXT,
}
"""What the answer of a tag of each value type is; a tag without a value is there, which is true, or not."""

_COLOUR: Final = re.compile("#[0-9a-fA-F]{6}")

TRUTH: Final = ("true", "false")
"""The values of a `oneof_string` tag that is a boolean."""


def own_json(raw: Mapping[str, Any] | None) -> Json | None:
    """Return a copy of the JSON that came from Supervisely with a definition, or None."""
    found = raw.get(PLATFORM) if raw else None
    return dict(found) if isinstance(found, Mapping) else None


def read_ontology(meta: Json) -> Ontology:
    """Return the ontology of a project.

    A tag of labels is an attribute of the classes that it is for, a tag of images is a classification of the
    whole row, and one of both is both. Classes of shapes that the label model does not draw are carried as
    `Shape.OTHER`. Raises UsageError for JSON that is no meta.
    """
    try:
        tags = tags_of(meta)
        classes = tuple(_class(found, tags) for found in _list_of(meta, "classes"))
        marks = tuple(
            ClassificationDef(_attribute(tag), _id(tag), whole_row=True, raw={PLATFORM: dict(tag)})
            for tag in tags
            if (tag.get("applicable_type") or "all") in ("all", "imagesOnly")
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the classes and tags of the project cannot be read ({error})"
        raise UsageError(f"{message}; is its meta.json what Supervisely wrote?") from error
    return Ontology(classes, marks)


def tags_of(meta: Json) -> list[Json]:
    """Return the tags of a meta, each name once; old metas have those of images and of labels apart."""
    found: dict[str, Json] = {_tag_name(tag): tag for tag in _list_of({"tags": (), **meta}, "tags")}
    for key, applicable in (("tags_images", "imagesOnly"), ("tags_objects", "objectsOnly")):
        for tag in meta.get(key) or ():
            said = {"name": tag, "value_type": "none"} if isinstance(tag, str) else dict(tag)
            before = found.get(_tag_name(said))
            said["applicable_type"] = applicable if before is None else "all"
            found[said["name"]] = said
    return list(found.values())


def _list_of(meta: Json, key: str) -> Sequence[JsonValue]:
    found = meta.get(key)
    if not isinstance(found, list | tuple):
        raise TypeError(f"{key!r}: found {found!r:.60}, expected a list")
    return found


def _tag_name(tag: JsonValue) -> str:
    if not isinstance(tag, Mapping):
        raise TypeError(f"tag: found {tag!r:.60}, expected its name and the type of its values")
    name = tag.get("name")
    if not isinstance(name, str):
        raise TypeError(f"name of a tag: found {name!r:.60}, expected text")
    return name


def _class(found: Json, tags: list[Json]) -> ClassDef:
    if not isinstance(found, Mapping):
        raise TypeError(f"class: found {found!r:.60}, expected its title and shape")
    name, shape = found.get("title"), found.get("shape")
    if not isinstance(name, str) or not isinstance(shape, str):
        raise TypeError(f"class {name!r:.60} of shape {shape!r:.60}: both have to be text")
    attributes = tuple(_attribute(tag) for tag in tags if _is_of(tag, name))
    drawn = Shape.ANY if shape == ANY else SHAPES.get(shape, Shape.OTHER)
    skeleton = _template(found) if drawn in (Shape.SKELETON, Shape.ANY) else None
    raw = {PLATFORM: dict(found)}
    return ClassDef(name, drawn, _id(found), colour_of(found), attributes, skeleton, raw)


def _is_of(tag: Json, name: str) -> bool:
    if (tag.get("applicable_type") or "all") not in ("all", "objectsOnly"):
        return False
    classes = tag.get("classes") or ()
    return not classes or name in classes


def _attribute(tag: Json) -> AttributeDef:
    kind = tag_kind(tag)
    values = tag.get("values") or () if kind is AttributeKind.RADIO else ()
    options = tuple(OptionDef(str(value)) for value in values)
    return AttributeDef(tag["name"], kind, _id(tag), options=options, raw={PLATFORM: dict(tag)})


def tag_kind(tag: Json) -> AttributeKind:
    """Return what the answer of a tag is; one of an unknown value type is any JSON value."""
    kind = VALUE_TYPES.get(str(tag.get("value_type")), AttributeKind.JSON)
    if kind is AttributeKind.RADIO and sorted(map(str, tag.get("values") or ())) == sorted(TRUTH):
        return AttributeKind.BOOLEAN
    return kind


def colour_of(found: Json) -> str | None:
    """Return the colour of a class or a tag as #rrggbb, or None for what is none."""
    colour = found.get("color")
    if not isinstance(colour, str):
        return None
    return colour.lower() if _COLOUR.fullmatch(colour) else None


def _id(found: Json) -> str | None:
    number = found.get("id")
    return None if number is None else str(number)


# ---- skeletons ------------------------------------------------------------------------------------------


def nodes_of(found: Json) -> Iterator[tuple[str, str, float, float]]:
    """Give the nodes of a class's template in order: id, name, x and y where the template draws it.

    The label of a node is its name, where each node has one of its own; else the id is.
    """
    config = found.get("geometry_config")
    nodes = config.get("nodes") if isinstance(config, Mapping) else None
    if not isinstance(nodes, Mapping):
        return
    labels = [node.get("label") for node in nodes.values()]
    named = len(set(labels)) == len(labels) and all(isinstance(label, str) and label for label in labels)
    for (number, node), label in zip(nodes.items(), labels, strict=True):
        x, y = _location(node.get("loc"))
        yield str(number), label if named else str(number), x, y


def _location(loc: JsonValue) -> tuple[float, float]:
    match loc:
        case [(int() | float()) as x, (int() | float()) as y]:
            return x, y
        case _:
            return 0.0, 0.0


def _template(found: Json) -> SkeletonTemplate | None:
    nodes = list(nodes_of(found))
    if not nodes:
        return None
    names = {number: name for number, name, _, _ in nodes}
    config = found["geometry_config"]
    edges = tuple(
        (names[str(edge["src"])], names[str(edge["dst"])])
        for edge in config.get("edges") or ()
        if str(edge.get("src")) in names and str(edge.get("dst")) in names
    )
    drawn = tuple(TemplateNode(name, number, x, y) for number, name, x, y in nodes)
    return SkeletonTemplate(drawn, edges, {PLATFORM: dict(config)})
