"""Encord's ontology (the `editor` JSON) to an ontology of the label model and back."""

from collections.abc import Iterable, Mapping
from typing import Any

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
from pipeline.platforms.encord.convert.identity import hex_hash, short_hash
from pipeline.platforms.encord.convert.index import option_value
from pipeline.platforms.encord.wire import KIND_NAMES, KINDS, RELATION_SUFFIX, SHAPE_NAMES, SHAPES, Json

_COLOURS = (
    "#D33115",
    "#E27300",
    "#16406C",
    "#68BC00",
    "#009CE0",
    "#7B64FF",
    "#FA28FF",
    "#0C797D",
    "#C45100",
    "#808900",
)


# ---- reading --------------------------------------------------------------------------------------------


def read_ontology(editor: Mapping[str, Any]) -> Ontology:
    """Return the ontology of a project from its `editor` JSON.

    Each definition keeps its JSON and its featureNodeHash as id. Classes of shapes that no picture has
    (audio, text, time range ...) are carried with `Shape.OTHER`. A text attribute whose name ends in
    ` #relation` is a relation attribute. Raises UsageError for JSON that is no ontology.
    """
    try:
        templates = [_template(found["template"]) for found in editor.get("skeleton_templates") or ()]
        classes = tuple(_class(found, dict(templates)) for found in editor.get("objects") or ())
        classifications = tuple(_classification(found) for found in editor.get("classifications") or ())
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        message = f"the project's ontology cannot be read ({type(error).__name__}: {error})"
        raise UsageError(f"{message}; open it in Encord's ontology editor and save it again") from error
    return Ontology(classes, classifications, raw=editor)


def _class(found: Mapping[str, Any], templates: Mapping[str, SkeletonTemplate]) -> ClassDef:
    shape = SHAPES.get(found["shape"], Shape.OTHER)
    template = templates.get(found["featureNodeHash"], templates.get(found["name"]))
    return ClassDef(
        found["name"],
        shape,
        found["featureNodeHash"],
        found.get("color"),
        _attributes(found.get("attributes")),
        template if shape is Shape.SKELETON else None,
        found,
    )


def _classification(found: Mapping[str, Any]) -> ClassificationDef:
    root = _attributes(found["attributes"])[0]
    return ClassificationDef(root, found["featureNodeHash"], found.get("level") == "global", found)


def _attributes(found: Iterable[Mapping[str, Any]] | None) -> tuple[AttributeDef, ...]:
    return tuple(_attribute(one) for one in found or ())


def _attribute(found: Mapping[str, Any]) -> AttributeDef:
    kind = KINDS.get(found["type"], AttributeKind.JSON)
    return AttributeDef(
        found["name"],
        kind,
        found["featureNodeHash"],
        bool(found.get("required")),
        bool(found.get("dynamic")),
        kind is AttributeKind.TEXT and found["name"].endswith(RELATION_SUFFIX),
        tuple(
            OptionDef(one["label"], one["featureNodeHash"], _attributes(one.get("options")), one)
            for one in found.get("options") or ()
        ),
        found,
    )


def _template(found: Mapping[str, Any]) -> tuple[str, SkeletonTemplate]:
    """A template under the hash of its class, or under its name where it has none."""
    nodes = {key: found["skeleton"][key] for key in sorted(found["skeleton"], key=int)}
    edges = tuple(
        (nodes[start]["name"], nodes[end]["name"])
        for start, ends in (found.get("skeletonEdges") or {}).items()
        for end in ends
        if start in nodes and end in nodes
    )
    template = SkeletonTemplate(
        tuple(
            TemplateNode(node["name"], node.get("featureHash"), node["x"], node["y"])
            for node in nodes.values()
        ),
        edges,
        found,
    )
    return found.get("feature_node_hash") or found["name"], template


# ---- writing --------------------------------------------------------------------------------------------


def write_ontology(ontology: Ontology) -> Json:
    """Return the `editor` JSON of an ontology; hashes that it has not are derived from names, never random.

    A class of a shape that the label model does not draw goes out as it came in. Raises UsageError for a
    shape or an attribute that Encord has no equivalent of.
    """
    used: set[str] = set()
    classes = [_class_wire(item, number, used) for number, item in enumerate(ontology.classes, 1)]
    return {
        "objects": classes,
        "classifications": [
            {
                "id": str(number),
                "featureNodeHash": _fresh(item.id, used, "classification", item.name),
                **({"level": "global"} if item.whole_row else {}),
                "attributes": [
                    _attribute_wire(item.attribute, f"{number}.1", ("classification", item.name), used)
                ],
            }
            for number, item in enumerate(ontology.classifications, 1)
        ],
        "skeleton_templates": [
            {"template": _template_wire(item, wire)}
            for item, wire in zip(ontology.classes, classes, strict=True)
            if item.shape is Shape.SKELETON and item.skeleton is not None
        ],
    }


def _fresh(known: str | None, used: set[str], kind: str, *path: str) -> str:
    """The known id, else one derived from the path; two equal paths get two ids."""
    derive = hex_hash if kind in ("class", "classification") else short_hash
    part = 0
    identity = known or derive(kind, *path)
    while identity in used:
        part += 1
        identity = derive(kind, *path, str(part))
    used.add(identity)
    return identity


def _class_wire(item: ClassDef, number: int, used: set[str]) -> Json:
    if item.shape is Shape.OTHER and item.raw and "featureNodeHash" in item.raw:
        used.add(item.raw["featureNodeHash"])
        return dict(item.raw)
    if item.shape not in SHAPE_NAMES:
        message = f"class {item.name!r}: Encord has no class of shape {item.shape.value}"
        raise UsageError(f"{message}; it has {', '.join(SHAPES)}; use `convert`")
    path = (item.name, item.shape.value)
    wire: Json = {
        "id": str(number),
        "name": item.name,
        "color": item.colour or _COLOURS[(number - 1) % len(_COLOURS)],
        "shape": SHAPE_NAMES[item.shape],
        "featureNodeHash": _fresh(item.id, used, "class", *path),
        "required": bool((item.raw or {}).get("required", False)),
        "archived": bool((item.raw or {}).get("archived", False)),
    }
    if item.attributes:
        wire["attributes"] = [
            _attribute_wire(one, f"{number}.{at}", path, used) for at, one in enumerate(item.attributes, 1)
        ]
    return wire


def _attribute_wire(item: AttributeDef, number: str, path: tuple[str, ...], used: set[str]) -> Json:
    kind, options = item.kind, item.options
    if kind is AttributeKind.BOOLEAN:  # Encord has none: a choice of two says the same
        kind, options = AttributeKind.RADIO, (OptionDef("true"), OptionDef("false"))
    if kind not in KIND_NAMES:
        message = f"attribute {item.name!r} of {path[0]!r}: Encord has no attribute of kind {kind.value}"
        raise UsageError(f"{message}; it has {', '.join(KINDS)}")
    name = item.name
    if item.relation and not name.endswith(RELATION_SUFFIX):
        name += RELATION_SUFFIX
    wire: Json = {
        "id": number,
        "name": name,
        "type": KIND_NAMES[kind],
        "featureNodeHash": _fresh(item.id, used, "attribute", *path, name),
        "required": item.required,
        "archived": bool((item.raw or {}).get("archived", False)),
        "dynamic": item.dynamic,
    }
    if kind is AttributeKind.CHECKLIST and any(option.attributes for option in options):
        message = f"attribute {item.name!r} of {path[0]!r}: an option of a checklist has attributes"
        raise UsageError(f"{message}; in Encord only options of a radio have; make it a radio")
    if options:
        wire["options"] = [
            _option_wire(one, f"{number}.{at}", (*path, name), used) for at, one in enumerate(options, 1)
        ]
    return wire


def _option_wire(item: OptionDef, number: str, path: tuple[str, ...], used: set[str]) -> Json:
    wire: Json = {
        "id": number,
        "label": item.name,
        "value": str((item.raw or {}).get("value") or option_value(item.name)),
        "featureNodeHash": _fresh(item.id, used, "option", *path, item.name),
        "archived": bool((item.raw or {}).get("archived", False)),
    }
    if item.attributes:
        below = (*path, item.name)
        wire["options"] = [
            _attribute_wire(one, f"{number}.{at}", below, used) for at, one in enumerate(item.attributes, 1)
        ]
    return wire


def _template_wire(item: ClassDef, wire: Mapping[str, Any]) -> Json:
    template = item.skeleton or SkeletonTemplate(())
    known: Mapping[str, Any] = template.raw or {}
    at = {node.name: str(number) for number, node in enumerate(template.nodes)}
    edges: Json = {}
    for start, end in template.edges:
        edges.setdefault(at[start], {})[at[end]] = {"color": wire["color"]}
    return {
        "name": item.name,
        "width": float(known.get("width", 0.2)),
        "height": float(known.get("height", 0.2)),
        "shape": "skeleton",
        "feature_node_hash": wire["featureNodeHash"],
        "skeleton": {
            at[node.name]: {
                "x": node.x,
                "y": node.y,
                "name": node.name,
                "color": wire["color"],
                "value": node.name,
                "featureHash": node.id or short_hash("node", item.name, node.name),
            }
            for node in template.nodes
        },
        "skeletonEdges": edges,
    }
