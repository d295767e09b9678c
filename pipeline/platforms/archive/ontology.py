"""The archive's `ontology.json`: one `OntologyWire`."""

from typing import Any

import msgspec

from pipeline.core.geometry import Shape
from pipeline.core.ontology import AttributeKind, Ontology
from pipeline.errors import UsageError
from pipeline.platforms.archive.convert import ENCODER, FAULTS
from pipeline.platforms.archive.wire import VERSION, Wire


class OptionDefWire(Wire):
    """`OptionDef`."""

    name: str
    id: str | None = None
    attributes: tuple["AttributeDefWire", ...] = ()
    raw: dict[str, Any] | None = None


class AttributeDefWire(Wire):
    """`AttributeDef`."""

    name: str
    kind: AttributeKind
    id: str | None = None
    required: bool = False
    dynamic: bool = False
    relation: bool = False
    options: tuple[OptionDefWire, ...] = ()
    raw: dict[str, Any] | None = None


class TemplateNodeWire(Wire):
    """`TemplateNode`."""

    name: str
    x: float
    y: float
    id: str | None = None


class SkeletonTemplateWire(Wire):
    """`SkeletonTemplate`."""

    nodes: tuple[TemplateNodeWire, ...]
    edges: tuple[tuple[str, str], ...] = ()
    raw: dict[str, Any] | None = None


class ClassDefWire(Wire):
    """`ClassDef`."""

    name: str
    shape: Shape
    id: str | None = None
    colour: str | None = None
    attributes: tuple[AttributeDefWire, ...] = ()
    skeleton: SkeletonTemplateWire | None = None
    raw: dict[str, Any] | None = None


class ClassificationDefWire(Wire):
    """`ClassificationDef`."""

    attribute: AttributeDefWire
    id: str | None = None
    whole_row: bool = False
    raw: dict[str, Any] | None = None


class OntologyWire(Wire):
    """`Ontology`: the whole of `ontology.json`."""

    classes: tuple[ClassDefWire, ...] = ()
    classifications: tuple[ClassificationDefWire, ...] = ()
    raw: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(OntologyWire)


def write_ontology(ontology: Ontology) -> bytes:
    """Return the ontology as JSON on indented lines. Raises UsageError for a value that is not JSON."""
    try:
        record = msgspec.convert(ontology, OntologyWire, from_attributes=True)
        return msgspec.json.format(ENCODER.encode(record), indent=2) + b"\n"
    except FAULTS as error:
        raise UsageError(f"the ontology cannot be written: {error}") from error


def read_ontology(data: bytes) -> Ontology:
    """Return the ontology of `write_ontology`'s bytes. Raises UsageError that says what is wrong."""
    try:
        return msgspec.convert(_decoder.decode(data), Ontology, from_attributes=True)
    except FAULTS as error:
        raise UsageError(f"not an ontology of archive version {VERSION}: {error}") from error
