"""Classes, tags and labels of every kind that the SDK draws on an image, told as `sdk_labels` has them."""

from typing import Any

Json = dict[str, Any]

WIDTH, HEIGHT = 64, 48

KINDS = (
    "rectangle",
    "oriented_bbox",
    "polygon",
    "multipolygon",
    "line",
    "point",
    "bitmap",
    "alpha_mask",
    "graph",
    "cuboid_2d",
)
POSE: Json = {
    "nodes": {
        "a1": {"label": "nose", "loc": [10, 20], "color": "#0000FF"},
        "b2": {"label": "tail", "loc": [30, 40], "color": "#0000FF"},
    },
    "edges": [{"src": "a1", "dst": "b2", "color": "#00FF00"}],
}
CUBE: Json = {
    "vertices": {
        f"face{face}-{corner}": {"label": f"face{face}-{corner}", "loc": [1, 1], "color": "#0000FF"}
        for face in (1, 2)
        for corner in ("topleft", "topright", "bottomright", "bottomleft")
    },
    "edges": [],
}
TEMPLATES: Json = {"graph": POSE, "cuboid_2d": CUBE}
META: Json = {
    "classes": [
        *(
            {"title": kind, "shape": kind, "color": "#FF00FF", "geometry_config": TEMPLATES.get(kind, {})}
            for kind in KINDS
        ),
        # What the SDK needs to read any geometry from a class that takes all.
        {"title": "thing", "shape": "any", "color": "#00FF00", "geometry_config": POSE | CUBE},
    ],
    "tags": [
        {"name": "seen", "value_type": "none", "color": "#FF0000"},
        {"name": "text", "value_type": "any_string", "color": "#FF0000"},
        {"name": "speed", "value_type": "any_number", "color": "#FF0000"},
        {"name": "colour", "value_type": "oneof_string", "values": ["red", "blue"], "color": "#FF0000"},
        {"name": "day", "value_type": "date", "color": "#FF0000"},
        {"name": "only-images", "value_type": "none", "color": "#FF0000", "applicable_type": "imagesOnly"},
        {
            "name": "only-boxes",
            "value_type": "none",
            "color": "#FF0000",
            "applicable_type": "objectsOnly",
            "classes": ["rectangle"],
        },
    ],
}


def ring(*points: tuple[int, int], holes: tuple[tuple[tuple[int, int], ...], ...] = ()) -> Json:
    """Points as every geometry of points has them."""
    return {
        "exterior": [list(xy) for xy in points],
        "interior": [[list(xy) for xy in hole] for hole in holes],
    }


def mask(x: int, y: int, width: int, height: int) -> list[int]:
    """A mask that fills a box, told by where its pixels turn on and off."""
    rows = range(y, y + height)
    return [edge for row in rows for edge in (row * WIDTH + x, row * WIDTH + x + width)]


_SQUARE = ((4, 4), (40, 4), (40, 30), (4, 30))
_HOLE = ((10, 10), (20, 10), (20, 20))
GEOMETRIES: dict[str, Json] = {
    "rectangle": {"geometry": {"points": ring((1, 2), (63, 47))}},
    "oriented_bbox": {"geometry": {"points": [[5, 6], [20, 16]], "angle": 0.5}},
    "polygon": {"geometry": {"points": ring(*_SQUARE, holes=(_HOLE,))}},
    "multipolygon": {
        "geometry": {"parts": [ring(*_SQUARE, holes=(_HOLE,)), ring((50, 30), (60, 30), (55, 44))]}
    },
    "line": {"geometry": {"points": ring((0, 0), (7, 5), (63, 47))}},
    "point": {"geometry": {"points": ring((7, 5))}},
    "bitmap": {"mask": mask(3, 2, 20, 11)},
    "alpha_mask": {"values": [[0, 255, 7], [128, 1, 0]], "origin": [9, 8]},
    "graph": {"geometry": {"nodes": {"a1": {"loc": [2, 1]}, "b2": {"loc": [40, 30], "disabled": True}}}},
    "cuboid_2d": {
        "geometry": {
            "vertices": {
                f"face{face}-{corner}": {"loc": [10 + 20 * x + 4 * face, 10 + 20 * y + 4 * face]}
                for face in (1, 2)
                for corner, (x, y) in {
                    "topleft": (0, 0),
                    "topright": (1, 0),
                    "bottomright": (1, 1),
                    "bottomleft": (0, 1),
                }.items()
            }
        }
    },
}


def label(kind: str, class_name: str | None = None, **more: Any) -> Json:  # noqa: ANN401 - JSON
    """A label of a kind; `more` may be tags, group, description and status."""
    return {"class": class_name or kind, "kind": kind, **GEOMETRIES[kind], **more}


def annotation(*labels: Json, **more: Any) -> Json:  # noqa: ANN401 - JSON
    """An annotation of an image of the usual size."""
    return {"size": [HEIGHT, WIDTH], "labels": list(labels), **more}


def drawn(found: Json) -> Json:
    """What was drawn of a label that was read, without what the server gives it."""
    return {key: value for key, value in found.items() if key not in {"id", "group", "tags"}}


def told(given: Json) -> Json:
    """What a label that was written should be drawn as."""
    plain = {key: value for key, value in given.items() if key not in {"group", "tags"}}
    return {"description": "", "status": "manual", **plain}
