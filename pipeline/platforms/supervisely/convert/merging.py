"""An ontology into the meta of a project: what is missing is added, and nothing is changed or removed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

from pipeline.core.geometry import Shape
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, Ontology
from pipeline.platforms.supervisely.convert.geometry import VERTICES
from pipeline.platforms.supervisely.convert.ontology import TRUTH, nodes_of, own_json, tags_of
from pipeline.platforms.supervisely.convert.project import Rules
from pipeline.platforms.supervisely.wire import ANY, MULTIPOLYGON, NAMES, Json

_NO_RULES: Final = Rules()
_OLD_KEYS: Final = ("tags_images", "tags_objects")
_TYPES: Final[dict[AttributeKind, str]] = {
    AttributeKind.TEXT: "any_string",
    AttributeKind.NUMBER: "any_number",
    AttributeKind.BOOLEAN: "oneof_string",
    AttributeKind.RADIO: "oneof_string",
    AttributeKind.CHECKLIST: "oneof_string",
}
"""The value type of a new tag. A boolean is the choice of true and false: not answered is neither."""
_TAKES: Final[dict[AttributeKind, frozenset[str]]] = {
    AttributeKind.TEXT: frozenset({"any_string", "date", "oneof_string"}),
    AttributeKind.NUMBER: frozenset({"any_number"}),
    AttributeKind.BOOLEAN: frozenset({"none", "oneof_string"}),
    AttributeKind.RADIO: frozenset({"oneof_string", "any_string"}),
    AttributeKind.CHECKLIST: frozenset({"oneof_string", "any_string"}),
}
"""The value types of tags that are there which take an answer."""


_KNOWN: Final = frozenset({*NAMES, Shape.ANY})


class Merged(NamedTuple):
    """A meta with what was added to it.

    `added` names that, line by line. `conflicts` name what is there in another form, and what to do.
    `left_out` names what no project has: classes of shapes that are not drawn, and attributes of any JSON.
    """

    meta: Json
    added: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def merge_meta(present: Json, wanted: Ontology, rules: Rules = _NO_RULES) -> Merged:
    """Return the meta of a project with the classes and tags of an ontology; `present` may be empty.

    Classes of one name are one class, of shape `any` if their shapes differ. Attributes and classifications
    of one name are one tag, with the values of all. What is given is not changed.
    """
    merging = _Merging({str(item["title"]): item for item in present.get("classes") or ()}, rules)
    merging.tags = {str(tag["name"]): tag for tag in tags_of(present)}
    for items in _by_name(wanted.classes):
        merging.add_class(items)
    for tag in _wanted_tags(wanted, merging):
        merging.add_tag(tag)
    if rules.confidence_tag is not None:
        merging.add_tag(_Tag(rules.confidence_tag, AttributeKind.NUMBER, of_objects=True, any_class=True))
    meta: Json = {key: value for key, value in present.items() if key not in _OLD_KEYS}
    meta["classes"] = list(merging.classes.values())
    meta["tags"] = list(merging.tags.values())
    if not present:
        meta["projectType"] = "images"
    return Merged(meta, tuple(merging.added), tuple(merging.conflicts), tuple(merging.left_out))


def _by_name(classes: Iterable[ClassDef]) -> list[list[ClassDef]]:
    found: dict[str, list[ClassDef]] = {}
    for item in classes:
        found.setdefault(item.name, []).append(item)
    return list(found.values())


@dataclass(slots=True)
class _Tag:
    """A tag that is wanted; `any_class`: by labels of every class."""

    name: str
    kind: AttributeKind
    values: dict[str, None] = field(default_factory=dict)
    classes: dict[str, None] = field(default_factory=dict)
    of_objects: bool = False
    of_images: bool = False
    any_class: bool = False
    own: Json | None = None


def _wanted_tags(wanted: Ontology, merging: "_Merging") -> list[_Tag]:
    tags: dict[str, _Tag] = {}
    for item in wanted.classes:
        for attribute in item.attributes:
            tag = _tag_for(tags, attribute, f"attribute {attribute.name!r} of {item.name!r}", merging)
            if tag is not None:
                tag.of_objects = True
                tag.classes[item.name] = None
    for mark in wanted.classifications:
        tag = _tag_for(tags, mark.attribute, f"classification {mark.name!r}", merging)
        if tag is not None:
            tag.of_images = True
    return list(tags.values())


def _tag_for(tags: dict[str, _Tag], item: AttributeDef, what: str, merging: "_Merging") -> _Tag | None:
    if item.kind not in _TYPES:
        merging.left_out.append(f"{what}: a tag holds no {item.kind.value}; drop it")
        return None
    nested = [option.name for option in item.options if option.attributes]
    if nested:
        merging.left_out.append(f"{what}: a tag has nothing below its value ({', '.join(nested)})")
    tag = tags.setdefault(item.name, _Tag(item.name, item.kind, own=own_json(item.raw)))
    if _TYPES[tag.kind] != _TYPES[item.kind] or (
        AttributeKind.BOOLEAN in (tag.kind, item.kind) and tag.kind is not item.kind
    ):
        merging.conflicts.append(
            f"{what} is {item.kind.value}, and another of that name is {tag.kind.value}; a project has "
            f"one tag {item.name!r} for all its classes and images: rename one of them"
        )
        return None
    names = TRUTH if item.kind is AttributeKind.BOOLEAN else [option.name for option in item.options]
    tag.values.update(dict.fromkeys(names))
    return tag


@dataclass(slots=True)
class _Merging:
    """A meta on its way: classes and tags by name."""

    classes: dict[str, Json]
    rules: Rules
    tags: dict[str, Json] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add_class(self, items: list[ClassDef]) -> None:
        """Add the class that all of these are, which are of one name, or compare it with the one there."""
        name = items[0].name
        held = [item for item in items if item.shape in _KNOWN or _own_shape(item)]
        for item in items:
            if item not in held:
                self.left_out.append(f"class {name!r}: Supervisely has no {item.shape.value}; add `convert`")
        if not held:
            return
        there = self.classes.get(name)
        if there is None:
            made = _new_class(held, self.rules)
            self.classes[name] = made
            self.added.append(f"class {name!r} ({made['shape']})")
            return
        for item in held:
            self._compare(item, self.classes[name])

    def _compare(self, item: ClassDef, there: Json) -> None:
        shape = _shape_name(item, self.rules)
        held = there["shape"]
        # A class of any shape may have labels of this one only: each is judged when it is written.
        fits = held in (shape, ANY, NAMES.get(item.shape)) or item.shape is Shape.ANY
        if not fits and not (held == MULTIPOLYGON and item.shape is Shape.POLYGON):
            self.conflicts.append(
                f"class {item.name!r} is there with shape {held}, and the labels are {shape}; add `convert` "
                "or `rename` to the operations, or make the class in the project one of shape `any`"
            )
        if held == ANY:
            there = self._complete(item, there)
        nodes = {name for _, name, _, _ in nodes_of(there)}
        template = item.skeleton.nodes if item.skeleton and held in (NAMES[Shape.SKELETON], ANY) else ()
        missing = [node.name for node in template if node.name not in nodes]
        if missing and (nodes or held != ANY):
            names = ", ".join(map(repr, missing))
            self.conflicts.append(
                f"class {item.name!r}: its template in the project has no node {names}; add it there"
            )

    def _complete(self, item: ClassDef, there: Json) -> Json:
        """Give a class of shape `any` the template without which the SDK does not read such a label."""
        config, own = dict(there.get("geometry_config") or {}), _config([item])
        new = {key: value for key, value in own.items() if key != "edges" and key not in config}
        if not new:
            return there
        edges = [*(config.get("edges") or ()), *own["edges"]]
        wider = {**there, "geometry_config": {**config, **new, "edges": edges}}
        self.classes[item.name] = wider
        self.added.append(f"class {item.name!r}: the template of its {item.shape.value}")
        return wider

    def add_tag(self, tag: _Tag) -> None:
        """Add a tag, or what one that is there does not have yet: values, classes, and images or labels."""
        there = self.tags.get(tag.name)
        if there is None:
            made = _new_tag(tag)
            self.tags[tag.name] = made
            self.added.append(f"tag {tag.name!r} ({made['value_type']}{_listed(made.get('values'))})")
            return
        held = str(there.get("value_type"))
        values = list(map(str, there.get("values") or ()))
        unfit = tag.kind is AttributeKind.BOOLEAN and held == "oneof_string" and not set(TRUTH) <= set(values)
        if unfit or not (held in _TAKES[tag.kind] or (held == "none" and _is_truth(tag))):
            self.conflicts.append(
                f"tag {tag.name!r} is there with values of type {held}{_listed(there.get('values'))}, and "
                f"the answers are {tag.kind.value}; rename them, or change the tag in the project"
            )
            return
        self._widen(tag, there, held)

    def _widen(self, tag: _Tag, there: Json, held: str) -> None:
        wider = dict(there)
        new = [value for value in tag.values if value not in map(str, there.get("values") or ())]
        if held == "oneof_string" and new:
            wider["values"] = [*(there.get("values") or ()), *new]
            self.added.append(f"tag {tag.name!r}: values {', '.join(map(repr, new))}")
        applicable = there.get("applicable_type") or "all"
        if (tag.of_objects and applicable == "imagesOnly") or (tag.of_images and applicable == "objectsOnly"):
            wider["applicable_type"] = "all"
            self.added.append(f"tag {tag.name!r}: for {'images' if tag.of_images else 'labels'} too")
            if applicable == "imagesOnly":
                wider["classes"] = list(tag.classes)
        elif there.get("classes") and tag.of_objects:
            more = [name for name in tag.classes if name not in there["classes"]]
            if tag.any_class:
                wider["classes"] = []
                self.added.append(f"tag {tag.name!r}: for all classes")
            elif more:
                wider["classes"] = [*there["classes"], *more]
                self.added.append(f"tag {tag.name!r}: for classes {', '.join(map(repr, more))}")
        self.tags[tag.name] = wider


def _is_truth(tag: _Tag) -> bool:
    """Whether a choice is that of true and false, which is what platforms without booleans make of one."""
    return tag.kind is AttributeKind.RADIO and bool(tag.values) and set(tag.values) <= set(TRUTH)


def _listed(values: object) -> str:
    return f": {', '.join(map(str, values))}" if isinstance(values, list | tuple) and values else ""


# ---- new classes and tags -------------------------------------------------------------------------------


def _own_shape(item: ClassDef) -> str | None:
    """The shape of a class that came from Supervisely, if it still is of it."""
    own = own_json(item.raw) or {}
    return str(own["shape"]) if item.shape is Shape.OTHER and "shape" in own else None


def _shape_name(item: ClassDef, rules: Rules) -> str:
    own = own_json(item.raw) or {}
    if item.shape is Shape.POLYGON:
        return MULTIPOLYGON if own.get("shape") == MULTIPOLYGON else rules.polygons
    return _own_shape(item) or NAMES.get(item.shape, ANY)


def _new_class(items: list[ClassDef], rules: Rules) -> Json:
    first = items[0]
    shapes = {_shape_name(item, rules) for item in items}
    shape = next(iter(shapes)) if len(shapes) == 1 else ANY
    own = own_json(first.raw) or {}
    made: Json = {
        "title": first.name,
        "shape": shape,
        "color": (first.colour or colour_for(first.name)).upper(),
        "description": "",
        "geometry_config": {},
        "hotkey": "",
    }
    made |= {key: value for key, value in own.items() if key not in ("id", "title", "shape", "color")}
    config = _config(items)
    if own.get("shape") != shape or _names(made) != _names({"geometry_config": config}):
        made["geometry_config"] = config
    return made


def _names(made: Json) -> list[str]:
    return [name for _, name, _, _ in nodes_of(made)]


def _config(items: Iterable[ClassDef]) -> Json:
    """The templates of a class, in the colours that the vendor's SDK gives them.

    The nodes of a skeleton are under `nodes` by name, the corners of a cuboid in the image under `vertices`.
    """
    config: Json = {}
    edges: list[tuple[str, str]] = []
    for item in items:
        if item.skeleton is not None and "nodes" not in config:
            nodes = [(node.name, [node.x, node.y]) for node in item.skeleton.nodes]
            config["nodes"] = {name: _node(name, place) for name, place in nodes}
            edges += item.skeleton.edges
        if item.shape is Shape.CUBOID_2D:
            corners = zip(VERTICES, _CORNERS, strict=True)
            config["vertices"] = {name: _node(name, place) for name, place in corners}
            edges += [(VERTICES[src], VERTICES[dst]) for src, dst in _SIDES]
    if config:
        config["edges"] = [{"src": src, "dst": dst, "color": "#00FF00"} for src, dst in edges]
    return config


def _node(name: str, place: list[float]) -> Json:
    return {"label": name, "loc": place, "color": "#0000FF"}


_SQUARE: Final[list[list[float]]] = [[0, 0], [1, 0], [1, 1], [0, 1]]
_CORNERS: Final = [*_SQUARE, *([x + 0.5, y + 0.5] for x, y in _SQUARE)]
_SIDES: Final = [
    pair for at in range(4) for pair in ((at, (at + 1) % 4), (at + 4, (at + 1) % 4 + 4), (at, at + 4))
]


def _new_tag(tag: _Tag) -> Json:
    own: Mapping[str, object] = tag.own or {}
    held = str(own.get("value_type"))
    made: Json = {
        "name": tag.name,
        "value_type": held if held in _TAKES[tag.kind] else _TYPES[tag.kind],
        "color": colour_for(tag.name).upper(),
        "hotkey": "",
    }
    made |= {key: value for key, value in own.items() if key not in ("id", "name", "value_type", "values")}
    if made["value_type"] == "oneof_string":
        made["values"] = list(tag.values)
    scopes = {(True, False): "objectsOnly", (False, True): "imagesOnly"}
    made["applicable_type"] = scopes.get((tag.of_objects, tag.of_images), "all")
    everywhere = tag.any_class or ("classes" in own and not own["classes"])
    made["classes"] = [] if everywhere else list(tag.classes)
    made.setdefault("target_type", "all")
    return made


def colour_for(name: str) -> str:
    """Return a colour that is the same for a name in every run, and not too dark to be seen."""
    red, green, blue = blake2b(name.encode(), digest_size=3).digest()
    return f"#{red | 64:02x}{green | 64:02x}{blue | 64:02x}"
