"""The classifications of a row, one by one: as they came, patched, or new."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.labels import Classification
from pipeline.core.losses import LossKind
from pipeline.platforms.encord.convert.classifications import (
    range_of,
    read_classification,
    rewrite_classification,
    write_classification,
)
from pipeline.platforms.encord.convert.context import Packing
from pipeline.platforms.encord.convert.flatten import AnswerError
from pipeline.platforms.encord.convert.index import Label
from pipeline.platforms.encord.convert.links import renamed
from pipeline.platforms.encord.wire import PLATFORM, Json


class Classifications:
    """Writes the classifications of a row, each with what frames of the old form say about it."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        existing = packing.edited.existing
        self._before = {item.id: item for item in existing.classifications} if existing else {}
        self._held: dict[str, list[tuple[int, int, bool]]] = {}

    def write(
        self, hashes: Mapping[str, str], skipped: frozenset[str]
    ) -> dict[str, tuple[Json, Mapping[str, Any]]]:
        """Return entry and old frame entries of each classification, by its hash."""
        found: dict[str, tuple[Json, Mapping[str, Any]]] = {}
        for item in self._packing.row.classifications:
            if item.sensor is not None:
                why = f"{item.name!r} belongs to sensor {item.sensor!r}; a row of Encord has no sensors"
                self._packing.lose(item.id, LossKind.FRAMES, why)
            elif item.id not in skipped:
                found[hashes[item.id]] = self._one(item, hashes[item.id])
        return found

    def _one(self, item: Classification, identity: str) -> tuple[Json, Mapping[str, Any]]:
        packing = self._packing
        what = f"classification {item.name!r} ({item.id})"
        old = self._before.get(item.id)
        same = identity == item.id and (old is item or (old is not None and old == item))
        label = packing.index.titles.get(item.name)
        if label is None and not same:
            known = ", ".join(sorted(packing.index.titles)) or "none"
            why = (
                f"no classification of this name in the ontology (known: {known}); add it there, or rename it"
            )
            raise packing.refuse(what, why)
        raw: Mapping[str, Any] = item.raw.data if item.raw and item.raw.platform == PLATFORM else {}
        if label is not None:
            try:
                frames = range_of(item, label, packing.layout, packing.frame_count)
                self._claim(item.name, frames, same=same)
                if not same:
                    return self._changed(item, identity, label, frames, raw), self._old_frames(
                        raw, identity, frames
                    )
            except AnswerError as error:
                raise packing.refuse(what, error) from error
        return raw["answer"], raw.get("frames") or {}

    def _changed(
        self,
        item: Classification,
        identity: str,
        label: Label,
        frames: tuple[tuple[int, int], ...],
        raw: Mapping[str, Any],
    ) -> Json:
        packing = self._packing
        answer = renamed((item.answer,), packing.hashes)[0]
        if label.whole_row and item.frames is not None and not self._covers(item):
            why = f"{item.name!r} belongs to the whole row in Encord, not to frames {list(item.frames)}"
            packing.lose(item.id, LossKind.FRAMES, why)
        entry, flat = write_classification(item, answer, identity, label, frames, packing.author)
        packing.judge(item.id, f"classification {item.name!r}", label, flat, LossKind.CLASSIFICATION)
        base = read_classification(item.id, raw, packing.index, packing.layout) if "answer" in raw else None
        if base is None:
            return entry
        held = range_of(base, label, packing.layout, packing.frame_count)
        return rewrite_classification(item, answer, base, identity, label, (held, frames), packing.author)

    def _covers(self, item: Classification) -> bool:
        count = self._packing.frame_count
        return count is not None and item.frames == ((0, count - 1),)

    @staticmethod
    def _old_frames(
        raw: Mapping[str, Any], identity: str, frames: tuple[tuple[int, int], ...]
    ) -> Mapping[str, Any]:
        return {
            frame: {**found, "classificationHash": identity}
            for frame, found in (raw.get("frames") or {}).items()
            if any(first <= int(frame) <= last for first, last in frames)
        }

    def _claim(self, name: str, frames: tuple[tuple[int, int], ...], *, same: bool) -> None:
        """One classification holds once on a frame; what came so and is unchanged is not judged again."""
        spans = frames or ((-1, -1),)
        for first, last in spans:
            for other_first, other_last, other_same in self._held.get(name, ()):
                if first <= other_last and other_first <= last and not (same and other_same):
                    where = "the whole row" if first < 0 else f"frame {max(first, other_first)}"
                    raise AnswerError(f"it is given twice for {where}; keep one of them")
        self._held.setdefault(name, []).extend((first, last, same) for first, last in spans)
