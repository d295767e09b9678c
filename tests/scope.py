"""What drawn ontologies and rows may hold, and the names and values in them."""

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Self

from hypothesis import strategies as st

from pipeline.core.geometry import Shape
from pipeline.core.labels import MediaKind
from pipeline.core.losses import Features
from pipeline.core.ontology import AttributeKind
from tests.shapes import FLAT, SOLID

CLOUDS = (MediaKind.POINT_CLOUD, MediaKind.POINT_CLOUD_SEQUENCE)
STILL = (MediaKind.IMAGE, MediaKind.POINT_CLOUD)
_ALONE: tuple[MediaKind, ...] = tuple(kind for kind in MediaKind if kind is not MediaKind.MULTI_SENSOR)


@cache
def _names() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@dataclass(frozen=True, eq=False)
class Scope:
    """What a drawn ontology or row may hold. The default is all that the model has, but no `sensors`."""

    shapes: frozenset[Shape] = FLAT | SOLID
    media_kinds: tuple[MediaKind, ...] = _ALONE
    attribute_kinds: tuple[AttributeKind, ...] = tuple(AttributeKind)
    ids: st.SearchStrategy[str] = field(
        default_factory=lambda: st.text("0123456789abcdefABCDEF", min_size=8, max_size=8)
    )
    names: st.SearchStrategy[str] = field(default_factory=_names)
    holes: bool = True
    parts: bool = True
    attributes: bool = True
    dynamic: bool = True
    nested: bool = True
    classifications: bool = True
    groups: bool = True
    relations: bool = True
    relation_answers: bool = True
    tracks: bool = True
    keyframes: bool = True
    confidence: bool = True
    row_details: bool = True
    provenance: bool = True
    raw: bool = True
    unknown_sizes: bool = False
    sensors: bool = False

    @classmethod
    def of(cls, features: Features, **changes: Any) -> Self:  # noqa: ANN401 - fields of a scope, of any type
        """What a platform says that it holds, without raw and provenance; `changes` go on top."""
        kinds = _ALONE if features.frames else STILL
        if not features.shapes & SOLID:
            kinds = tuple(kind for kind in kinds if kind not in CLOUDS)
        scope = cls(
            shapes=features.shapes & (FLAT | SOLID),
            media_kinds=kinds,
            raw=False,
            provenance=False,
            relation_answers=features.relations,
            **{
                name: getattr(features, name)
                for name in (
                    "holes", "parts", "attributes", "dynamic", "classifications", "groups", "relations",
                    "tracks", "keyframes", "confidence", "row_details",
                )
            },
        )  # fmt: skip
        return replace(scope, **changes)


ANYTHING = Scope(sensors=True)


@cache
def texts() -> st.SearchStrategy[str]:
    """Text without control characters, perhaps empty."""
    return st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12)


@cache
def json_values() -> st.SearchStrategy[Any]:
    """Small JSON values."""
    leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts()
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts(), inner, max_size=2),
        max_leaves=4,
    )
