"""The label row that is sent: the opened one, with its labels replaced."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.core.labels import LabelRow
from pipeline.platforms.encord.convert.layout import Layout
from pipeline.platforms.encord.convert.objects import WrittenObject
from pipeline.platforms.encord.wire import PLACE_KEYS, PLATFORM, UNIT_PLACE_KEYS, Json


class Written(NamedTuple):
    """All labels of a row as they travel. A classification is its entry and what old frames say of it."""

    objects: Sequence[WrittenObject]
    classifications: Mapping[str, tuple[Json, Mapping[str, Any]]]


def assembled(opened: Mapping[str, Any], layout: Layout, row: LabelRow, written: Written) -> Json:
    """Return the complete label row.

    Keys that say where and in which state the row is come from `opened`. Keys that nobody knows come from it
    too, and from the `raw` of a row that came from Encord where `opened` has them not.
    """
    raw: Mapping[str, Any] = row.raw.data if row.raw is not None and row.raw.platform == PLATFORM else {}
    answers = {item.hash: item.answer for item in written.objects}
    actions = {item.hash: item.actions for item in written.objects if item.actions is not None}
    said = {key: entry for key, (entry, _) in written.classifications.items()}
    extra = {key: value for key, value in raw.items() if key not in PLACE_KEYS}
    return {
        **extra,
        **opened,
        "data_units": _units(layout, raw, written),
        "object_answers": _numbered({**(raw.get("object_answers") or {}), **answers}, written.objects),
        "object_actions": {**(raw.get("object_actions") or {}), **actions},
        "classification_answers": {**(raw.get("classification_answers") or {}), **said},
    }


def _numbered(answers: dict[str, Json], objects: Sequence[WrittenObject]) -> dict[str, Json]:
    """An objectNumber is unique among the objects of one class: of two that are equal, the later one goes."""
    numbers: set[tuple[Any, Any]] = set()
    for item in objects:
        if "objectNumber" not in item.answer:
            continue
        number = item.answer["objectNumber"]
        if number is None:
            continue
        taken = next(iter(item.frames.values())).get("featureHash"), number
        if taken in numbers:
            answers[item.hash] = {key: value for key, value in item.answer.items() if key != "objectNumber"}
        numbers.add(taken)
    return answers


def _units(layout: Layout, raw: Mapping[str, Any], written: Written) -> Json:
    objects: dict[int, list[Json]] = {}
    for item in written.objects:
        for frame, found in item.frames.items():
            if frame in objects:
                objects[frame].append(found)
            else:
                objects[frame] = [found]
    said: dict[int, list[Json]] = {}
    for _, frames in written.classifications.values():
        for key, found in frames.items():
            said.setdefault(int(key), []).append(found)
    sources = _sources(layout, raw) if raw else []
    units: Json = {}
    for at, (key, unit) in enumerate(layout.units):
        source = sources[at] if at < len(sources) else {}
        labels = source.get("labels") or {}
        if layout.by_frame:
            new = _by_frame(unit.get("labels") or {}, labels, objects, said)
        else:
            new = _frame(unit.get("labels") or {}, labels, objects.get(at), said.get(at))
        extra = {name: value for name, value in source.items() if name not in UNIT_PLACE_KEYS}
        units[key] = {**extra, **unit, "labels": new}
    return units


def _sources(layout: Layout, raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The data units of the row's own `raw`, in the order of frames."""
    units = list((raw.get("data_units") or {}).values())
    return units if layout.by_frame else sorted(units, key=lambda unit: int(unit.get("data_sequence") or 0))


def _by_frame(
    opened: Mapping[str, Any],
    source: Mapping[str, Any],
    objects: Mapping[int, list[Json]],
    said: Mapping[int, list[Json]],
) -> Json:
    numbers = {int(frame) for labels in (opened, source) for frame in labels if str(frame).isdigit()}
    new: Json = {key: value for key, value in opened.items() if not str(key).isdigit()}
    for frame in sorted({*numbers, *objects, *said}):
        key = str(frame)
        labels = _frame(opened.get(key) or {}, source.get(key) or {}, objects.get(frame), said.get(frame))
        if (
            frame in objects
            or frame in said
            or labels.keys() - {"objects", "classifications"}
            or labels["classifications"]
        ):
            new[key] = labels
    return new


def _frame(
    opened: Mapping[str, Any],
    source: Mapping[str, Any],
    objects: list[Json] | None,
    said: list[Json] | None,
) -> Json:
    return {
        **opened,
        **source,
        "objects": _in_order(objects or [], opened.get("objects")),
        "classifications": [*(source.get("classifications") or ()), *(said or ())],
    }


def _in_order(objects: list[Json], opened: Sequence[Mapping[str, Any]] | None) -> list[Json]:
    """Objects that were on the frame before keep their order there; new ones follow."""
    if not opened:
        return objects
    places = {found.get("objectHash"): at for at, found in enumerate(opened)}
    return sorted(objects, key=lambda found: places.get(found["objectHash"], len(places)))
