"""Hypothesis strategies for the label model: any ontology, and any row that fits it.

A `Scope` says what may occur, so that a platform's test draws just what the platform holds:
`rows(Scope.of(PLATFORM.features))`. Geometry keeps the promises of `tests.shapes`, and no answer holds on a
frame where its object is not.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from pipeline.core.geometry import Shape
from pipeline.core.labels import (
    NO_PROVENANCE,
    Answer,
    Classification,
    Frames,
    Group,
    LabelRow,
    Media,
    MediaKind,
    ObjectInstance,
    Occurrence,
    Option,
    Provenance,
    Raw,
    Relation,
    Sensor,
)
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
from tests.scope import ANYTHING, CLOUDS, STILL, Scope, json_values, texts
from tests.shapes import FLAT, SOLID, Size, geometries, geometry_of, masks, rasters, sizes, within

__all__ = [
    "ANYTHING", "FLAT", "SOLID", "Scope", "Size", "answers", "geometries", "geometry_of", "masks", "objects",
    "ontologies", "rasters", "rows", "rows_of", "rows_with_ontology", "sizes",
]  # fmt: skip

_SENSED = (MediaKind.IMAGE_SEQUENCE, MediaKind.POINT_CLOUD_SEQUENCE)


# ---- ontology -----------------------------------------------------------------------------------------


@st.composite
def attribute_defs(
    draw: st.DrawFn, scope: Scope = ANYTHING, depth: int = 1, *, dynamic: bool = True
) -> AttributeDef:
    """One attribute; radios and checklists have options, and nested attributes down to `depth`."""
    kind = draw(st.sampled_from(scope.attribute_kinds))
    options: tuple[OptionDef, ...] = ()
    if kind in (AttributeKind.RADIO, AttributeKind.CHECKLIST):
        names = draw(st.lists(scope.names, min_size=1, max_size=3, unique=True))
        options = tuple(
            OptionDef(name, attributes=draw(_attribute_lists(scope, depth - 1, dynamic=False)))
            for name in names
        )
    relation = kind is AttributeKind.TEXT and scope.relation_answers and depth == 1 and draw(st.booleans())
    moving = dynamic and scope.dynamic and not relation and draw(st.booleans())
    return AttributeDef(draw(scope.names), kind, dynamic=moving, relation=relation, options=options)


@cache
def _attribute_lists(
    scope: Scope, depth: int, *, dynamic: bool
) -> st.SearchStrategy[tuple[AttributeDef, ...]]:
    if not scope.attributes or depth < 0 or (depth == 0 and not scope.nested):
        return st.just(())
    one = attribute_defs(scope, depth, dynamic=dynamic)
    return st.lists(one, max_size=2, unique_by=lambda item: item.name).map(tuple)


@st.composite
def class_defs(draw: st.DrawFn, scope: Scope = ANYTHING) -> ClassDef:
    """One class of a shape of the scope; a skeleton's has its template."""
    shape = draw(st.sampled_from(sorted(scope.shapes)))
    template = None
    if shape is Shape.SKELETON:
        names = draw(st.lists(scope.names, min_size=2, max_size=4, unique=True))
        template = SkeletonTemplate(
            tuple(TemplateNode(name, None, float(place), 0.0) for place, name in enumerate(names)),
            tuple(pairwise(names)),
        )
    colour = draw(st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}"))
    attributes = draw(_attribute_lists(scope, 1, dynamic=True))
    return ClassDef(draw(scope.names), shape, colour=colour, attributes=attributes, skeleton=template)


@st.composite
def ontologies(draw: st.DrawFn, scope: Scope = ANYTHING) -> Ontology:
    """One to three classes, and classifications; no platform ids."""
    classes = draw(
        st.lists(class_defs(scope), min_size=1, max_size=3, unique_by=lambda item: (item.name, item.shape))
    )
    marks: list[ClassificationDef] = []
    if scope.classifications:
        roots = attribute_defs(replace(scope, relation_answers=False), 1, dynamic=False)
        for root in draw(st.lists(roots, max_size=2, unique_by=lambda item: item.name)):
            marks.append(ClassificationDef(root, whole_row=draw(st.booleans())))  # noqa: PERF401 - each draws
    return Ontology(tuple(classes), tuple(marks))


# ---- rows ---------------------------------------------------------------------------------------------


def ranges(frames: Sequence[int]) -> Frames:
    """The ascending frames as inclusive ranges."""
    found: list[tuple[int, int]] = []
    for frame in frames:
        if found and found[-1][1] == frame - 1:
            found[-1] = found[-1][0], frame
        else:
            found.append((frame, frame))
    return tuple(found)


@cache
def values(definition: AttributeDef) -> st.SearchStrategy[Any]:
    """Values that answer an attribute; a checklist has at least one option, in the ontology's order."""
    match definition.kind:
        case AttributeKind.TEXT:
            return texts().filter(bool)
        case AttributeKind.NUMBER:
            return st.integers(-(2**31), 2**31) | within(-1e9, 1e9)
        case AttributeKind.BOOLEAN:
            return st.booleans()
        case AttributeKind.RADIO:
            return st.sampled_from(definition.options).flatmap(_chosen)
        case AttributeKind.CHECKLIST:
            every = st.tuples(*(st.none() | _chosen(option) for option in definition.options))
            return every.map(lambda found: tuple(item for item in found if item)).filter(bool)
        case _:
            return json_values().filter(lambda value: value is not None)


@cache
def _chosen(option: OptionDef) -> st.SearchStrategy[Option]:
    nested = st.tuples(*(_static(item) for item in option.attributes)) if option.attributes else st.just(())
    return nested.map(lambda found: Option(option.name, tuple(item for item in found if item is not None)))


@cache
def _static(definition: AttributeDef) -> st.SearchStrategy[Answer | None]:
    return st.none() | values(definition).map(
        lambda value: Answer(definition.name, definition.kind, value, relation=definition.relation)
    )


@st.composite
def answers(
    draw: st.DrawFn, definitions: Sequence[AttributeDef], frames: Sequence[int]
) -> tuple[Answer, ...]:
    """Answers to some attributes; a dynamic one has different values on disjoint ranges of `frames`."""
    found: list[Answer] = []
    for definition in definitions:
        if not definition.dynamic:
            answer = draw(_static(definition))
            found.extend([answer] if answer else [])
            continue
        shares = draw(st.lists(st.integers(0, 2), min_size=len(frames), max_size=len(frames)))
        taken: list[Any] = []
        for share in (1, 2):
            mine = [frame for frame, chosen in zip(frames, shares, strict=True) if chosen == share]
            value = draw(values(definition)) if mine else None
            if mine and value not in taken:
                taken.append(value)
                found.append(Answer(definition.name, definition.kind, value, ranges(mine)))
    return tuple(found)


@cache
def provenances(scope: Scope = ANYTHING) -> st.SearchStrategy[Provenance]:
    """Authors and times, where the scope has them."""
    if not scope.provenance:
        return st.just(NO_PROVENANCE)
    time = st.none() | st.just("2024-05-01T10:20:30Z")
    author = st.none() | st.just("ann@example.org")
    known = st.builds(Provenance, time, author, time, author, st.none() | st.booleans())
    return st.just(NO_PROVENANCE) | known


@cache
def _raws(scope: Scope) -> st.SearchStrategy[Raw | None]:
    data = st.dictionaries(scope.names, json_values(), max_size=2)
    return st.none() | st.builds(Raw, scope.names, data) if scope.raw else st.none()


@st.composite
def objects(
    draw: st.DrawFn, definition: ClassDef, frame_sizes: Sequence[Size], scope: Scope = ANYTHING
) -> ObjectInstance:
    """One object of a class, on some frames of a row whose frames have these sizes."""
    last = len(frame_sizes) - 1
    frames = sorted(draw(st.sets(st.integers(0, last), min_size=1, max_size=4)))
    names = tuple(node.name for node in definition.skeleton.nodes) if definition.skeleton else ()
    drawn_at = partial(geometry_of, definition.shape, names=names, holes=scope.holes, parts=scope.parts)
    confidence = st.none() | within(0, 1) if scope.confidence else st.none()
    occurrences = {
        frame: Occurrence(
            draw(drawn_at(frame_sizes[frame])),
            draw(st.booleans()) if scope.keyframes and last else True,
            draw(confidence),
            draw(provenances(scope)),
        )
        for frame in frames
    }
    track = draw(st.none() | scope.ids) if scope.tracks and last else None
    found = draw(answers(definition.attributes, frames))
    return ObjectInstance(draw(scope.ids), definition.name, occurrences, found, track, draw(_raws(scope)))


@st.composite
def _marks(draw: st.DrawFn, definition: ClassificationDef, count: int, scope: Scope) -> Classification:
    frames = None
    if not definition.whole_row:
        frames = ranges(sorted(draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=4))))
    root = definition.attribute
    return Classification(
        draw(scope.ids),
        Answer(root.name, root.kind, draw(values(root))),
        frames,
        draw(st.none() | within(0, 1)) if scope.confidence else None,
        draw(provenances(scope)),
        draw(_raws(scope)),
    )


@st.composite
def media_of(draw: st.DrawFn, kind: MediaKind, count: int, scope: Scope = ANYTHING) -> tuple[Media, ...]:
    """The media of a row: one for an image or a video, else one per frame."""
    single = kind in (MediaKind.IMAGE, MediaKind.POINT_CLOUD, MediaKind.VIDEO)
    found = []
    for index in range(1 if single else count):
        height, width = draw(sizes())
        media = Media(f"frame-{index}.png", width=width, height=height)
        if kind in CLOUDS:
            # No set of points that is drawn reaches further.
            media = replace(media, width=None, height=None, points=draw(st.none() | st.integers(1000, 5000)))
        elif scope.unknown_sizes and draw(st.booleans()):
            media = replace(media, width=None, height=None)
        found.append(media)
    return tuple(found)


@st.composite
def rows_of(draw: st.DrawFn, ontology: Ontology, scope: Scope = ANYTHING) -> LabelRow:
    """Any row whose labels fit the ontology; classes of a shape that the media cannot show are not used."""
    many = (MediaKind.MULTI_SENSOR,) if scope.sensors else ()
    kind = draw(st.sampled_from((*scope.media_kinds, *many)))
    row = LabelRow(draw(scope.ids), draw(scope.names), kind)
    if kind is MediaKind.MULTI_SENSOR:
        row = draw(_with_sensors(row, ontology, scope))
    else:
        sensor = draw(_sensors(kind, "", scope))
        items, marks = draw(_labels(ontology, sensor, scope))
        fps = 25.0 if kind is MediaKind.VIDEO else None
        row = replace(row, media=sensor.media, frame_count=sensor.frame_count, fps=fps)
        row = replace(row, objects=items, classifications=marks)
    return draw(_linked(draw(_detailed(row, scope)), scope))


@st.composite
def _sensors(draw: st.DrawFn, kind: MediaKind, name: str, scope: Scope) -> Sensor:
    """What one sensor saw, or the only medium of a row."""
    count = 1 if kind in STILL else draw(st.integers(2, 5))
    return Sensor(name, kind, draw(media_of(kind, count, scope)), count)


@st.composite
def _labels(
    draw: st.DrawFn, ontology: Ontology, sensor: Sensor, scope: Scope
) -> tuple[tuple[ObjectInstance, ...], tuple[Classification, ...]]:
    """Objects and classifications on these media; no two of either have one id."""
    count = sensor.frame_count or 1
    each = sensor.media if len(sensor.media) == count else sensor.media * count
    frame_sizes = [(item.height or 8, item.width or 8) for item in each]
    shown = [item for item in ontology.classes if (item.shape in SOLID) == (sensor.media_kind in CLOUDS)]
    drawn: list[ObjectInstance] = []
    if shown:
        one = st.sampled_from(shown).flatmap(lambda item: objects(item, frame_sizes, scope))
        drawn = draw(st.lists(one, max_size=3, unique_by=lambda item: item.id))
    marks: dict[str, Classification] = {}
    for item in ontology.classifications:
        if scope.classifications and draw(st.booleans()):
            new = draw(_marks(item, count, scope))
            marks.setdefault(new.id, new)
    return tuple(drawn), tuple(marks.values())


@st.composite
def _with_sensors(draw: st.DrawFn, row: LabelRow, ontology: Ontology, scope: Scope) -> LabelRow:
    """The row with one to three sensors and labels on each; ids are unique in the row."""
    found: list[Sensor] = []
    items: dict[str, ObjectInstance] = {}
    marks: dict[str, Classification] = {}
    for name in draw(st.lists(scope.names, min_size=1, max_size=3, unique=True)):
        sensor = draw(_sensors(draw(st.sampled_from(_SENSED)), name, scope))
        found.append(replace(sensor, raw=draw(_raws(scope))))
        drawn, said = draw(_labels(ontology, sensor, scope))
        for item in drawn:
            items.setdefault(item.id, replace(item, sensor=name))
        for mark in said:
            marks.setdefault(mark.id, replace(mark, sensor=draw(st.sampled_from((None, name)))))
    return replace(
        row, media=(), frame_count=max(item.frame_count or 1 for item in found), sensors=tuple(found),
        objects=tuple(items.values()), classifications=tuple(marks.values()),
    )  # fmt: skip


@st.composite
def _linked(draw: st.DrawFn, row: LabelRow, scope: Scope) -> LabelRow:
    ids = [item.id for item in row.objects]
    groups: tuple[Group, ...] = ()
    if scope.groups and ids and draw(st.booleans()):
        members = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3, unique=True))
        groups = (Group(draw(scope.ids), tuple(members)),)
    relations: tuple[Relation, ...] = ()
    if scope.relations and len(ids) > 1 and draw(st.booleans()):
        relations = (Relation(draw(scope.names), ids[0], ids[1]),)
    return replace(row, groups=groups, relations=relations)


@st.composite
def _detailed(draw: st.DrawFn, row: LabelRow, scope: Scope) -> LabelRow:
    if scope.row_details:
        row = replace(
            row,
            status=draw(st.none() | scope.names),
            priority=draw(st.none() | within(0, 1)),
            score=draw(st.none() | within(0, 1)),
            metadata=draw(st.dictionaries(scope.names, json_values(), max_size=2)),
        )
    return replace(row, raw=draw(_raws(scope)))


def rows_with_ontology(scope: Scope = ANYTHING) -> st.SearchStrategy[tuple[LabelRow, Ontology]]:
    """Any row, with an ontology that it fits."""
    return ontologies(scope).flatmap(lambda found: st.tuples(rows_of(found, scope), st.just(found)))


def rows(scope: Scope = ANYTHING) -> st.SearchStrategy[LabelRow]:
    """Any row."""
    return ontologies(scope).flatmap(lambda found: rows_of(found, scope))
