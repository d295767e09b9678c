"""`keep` and `drop`: which labels stay."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from pipeline.core import spans
from pipeline.core.carried import with_dropped, with_kept
from pipeline.core.geometry import Shape
from pipeline.core.labels import Classification, Frames, LabelRow, ObjectInstance, Occurrence
from pipeline.core.masks import MaskError
from pipeline.core.measure import area
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.operations.edits import failure, with_objects, with_occurrences

_CONDITIONS = (
    "classes", "shapes", "min_confidence", "max_confidence", "min_area", "max_area", "frames",
    "classifications",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Conditions that must all hold. They are decided for each occurrence of an object, frame by frame.

    `classes` and `shapes` are those of the object. `min_confidence`, `max_confidence`, `min_area` and
    `max_area` (square pixels, 0 for lines and points) include their limits; an occurrence without a
    confidence counts as 1, because nothing says that it is uncertain. `frames` is a number, a range
    [first, last] or a list of ranges. `classifications` are names.

    Conditions on objects (all but `classifications` and `frames`) concern objects only, `classifications`
    concerns classifications only, and `frames` goes with either; `frames` alone concerns both, except
    classifications of the whole row. An object that loses its last occurrence goes, and with it its part in
    groups and relations. Dynamic answers lose the frames that the object loses.
    """

    classes: tuple[str, ...] | None = None
    shapes: tuple[Shape, ...] | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None
    min_area: float | None = None
    max_area: float | None = None
    frames: int | tuple[int, ...] | tuple[tuple[int, int], ...] | None = None
    classifications: tuple[str, ...] | None = None
    heavy: ClassVar[bool] = False
    foreign: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if all(getattr(self, name) is None for name in _CONDITIONS):
            raise ValueError("no condition is given; expected at least one of " + ", ".join(_CONDITIONS))
        for low, high in ((self.min_confidence, self.max_confidence), (self.min_area, self.max_area)):
            if low is not None and high is not None and low > high:
                raise ValueError(f"the lower limit {low} is above the upper limit {high}")
        self._frames()

    def _frames(self) -> Frames | None:
        return None if self.frames is None else spans.chosen(self.frames)

    @property
    def _measures(self) -> bool:
        """Whether something is asked that differs between occurrences, beside the frame."""
        limits = (self.min_confidence, self.max_confidence, self.min_area, self.max_area)
        return any(limit is not None for limit in limits)

    @property
    def _on_objects(self) -> bool:
        asked = self.classes is not None or self.shapes is not None or self._measures
        return asked or self.classifications is None

    @property
    def _on_classifications(self) -> bool:
        return self.classifications is not None or not (
            self.classes is not None or self.shapes is not None or self._measures
        )

    def _names(self, item: ObjectInstance | ClassDef) -> bool:
        """Whether class and shape are chosen."""
        name = item.class_name if isinstance(item, ObjectInstance) else item.name
        return (self.classes is None or name in self.classes) and (
            self.shapes is None or item.shape in self.shapes
        )

    @property
    def _may_be_carried(self) -> bool:
        """Whether no shape is asked for: labels that a platform carries along have none of the known."""
        return self.shapes is None or Shape.OTHER in self.shapes

    def _measured(self, occurrence: Occurrence) -> bool:
        """Whether confidence and area are within the limits."""
        confidence = 1.0 if occurrence.confidence is None else occurrence.confidence
        if not _between(self.min_confidence, confidence, self.max_confidence):
            return False
        if self.min_area is None and self.max_area is None:
            return True
        return _between(self.min_area, area(occurrence.geometry), self.max_area)

    def _selected(
        self, row: LabelRow, item: ObjectInstance, frames: Frames | None
    ) -> Mapping[int, Occurrence]:
        if not self._names(item):
            return {}
        try:
            return {
                frame: occurrence
                for frame, occurrence in item.occurrences.items()
                if (frames is None or spans.holds(frames, frame)) and self._measured(occurrence)
            }
        except MaskError as error:
            raise failure(row, item, f"its area cannot be measured: {error}") from error


def _between(low: float | None, value: float, high: float | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(Choice):
    """Keep what meets all conditions."""

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row with what was chosen."""
        frames = self._frames()
        if self._on_objects:
            gone = None if frames is None else spans.outside(frames)
            found = (with_occurrences(item, self._selected(row, item, frames), gone) for item in row.objects)
            row = with_objects(row, [item for item in found if item])
            if self.classes is not None or self.shapes is not None:
                row = with_kept(row, (self.classes or ()) if self._may_be_carried else ())
        if self._on_classifications:
            row = _with_classifications(row, [self._mark(item, frames) for item in row.classifications])
        return row

    def _mark(self, item: Classification, frames: Frames | None) -> Classification | None:
        if self.classifications is not None and item.name not in self.classifications:
            return None
        return item if frames is None else _restricted(item, spans.outside(frames))

    def revise(self, ontology: Ontology) -> Ontology:
        """Take away the classes and classifications of which nothing can be left."""
        if self.classes is not None or self.shapes is not None:
            ontology = replace(ontology, classes=tuple(filter(self._names, ontology.classes)))
        if self.classifications is not None:
            kept = tuple(item for item in ontology.classifications if item.name in self.classifications)
            ontology = replace(ontology, classifications=kept)
        return ontology


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Choice):
    """Take away what meets all conditions."""

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row without what was chosen."""
        frames = self._frames()
        if self._on_objects:
            row = with_objects(
                row, [item for item in (self._left(row, item, frames) for item in row.objects) if item]
            )
            if self.classes is not None and self._may_be_carried and not self._measures and frames is None:
                row = with_dropped(row, self.classes)
        if self._on_classifications:
            row = _with_classifications(row, [self._mark(item, frames) for item in row.classifications])
        return row

    def _left(self, row: LabelRow, item: ObjectInstance, frames: Frames | None) -> ObjectInstance | None:
        selected = self._selected(row, item, frames)
        left = {frame: found for frame, found in item.occurrences.items() if frame not in selected}
        gone = frames if self._names(item) and not self._measures else None
        return with_occurrences(item, left, gone)

    def _mark(self, item: Classification, frames: Frames | None) -> Classification | None:
        if self.classifications is not None and item.name not in self.classifications:
            return item
        return _restricted(item, frames) if frames is not None else None

    def revise(self, ontology: Ontology) -> Ontology:
        """Take away the classes and classifications of which nothing can be left."""
        if self._measures or self.frames is not None:
            return ontology
        if self.classes is not None or self.shapes is not None:
            kept = tuple(item for item in ontology.classes if not self._names(item))
            ontology = replace(ontology, classes=kept)
        if self.classifications is not None:
            marks = tuple(item for item in ontology.classifications if item.name not in self.classifications)
            ontology = replace(ontology, classifications=marks)
        return ontology


def _restricted(item: Classification, gone: Frames) -> Classification | None:
    if item.frames is None or not spans.shared(item.frames, gone):
        return item
    left = spans.without(item.frames, gone)
    return replace(item, frames=left) if left else None


def _with_classifications(row: LabelRow, found: list[Classification | None]) -> LabelRow:
    if all(new is old for new, old in zip(found, row.classifications, strict=True)):
        return row
    return replace(row, classifications=tuple(item for item in found if item))
