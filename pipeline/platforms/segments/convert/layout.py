"""The parts of a label: its frames, and those of each sensor where there are sensors."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.errors import UsageError
from pipeline.platforms.segments.convert.kinds import Kind, sensor_kind_of
from pipeline.platforms.segments.convert.project import json_of
from pipeline.platforms.segments.wire import Json, JsonValue


class Part(NamedTuple):
    """The frames of a label, or of one sensor of it; a label without frames is one frame.

    `said` is what the label says on each frame, `shown` what the sample says of each (empty: nothing known).
    They need not be of one length. `header` is what the label says beside its frames; None where it says
    nothing at all: null, or an empty list.
    """

    sensor: str | None
    kind: Kind
    said: Sequence[Mapping[str, Any]]
    shown: Sequence[Mapping[str, Any]]
    header: Mapping[str, Any] | None
    entry: Mapping[str, Any] = {}
    """What the label says of the sensor."""

    def frame(self, at: int) -> Mapping[str, Any]:
        """Return what the label says on a frame; nothing where it has no such frame."""
        return self.said[at] if at < len(self.said) else {}


class LayoutError(ValueError):
    """A label, or a sample, that is built in another way than its type says."""


def parts_of(sample: Mapping[str, Any] | None, label: JsonValue, kind: Kind) -> list[Part]:
    """Return the parts of a label of a sample, both as the attributes of the wire.

    Sensors come in the order of the sample, then those that only the label has. Raises LayoutError.
    """
    shown = json_of(sample)
    if not kind.sensors:
        return [_part(None, kind, label, shown)]
    _check(label, "sensors")
    said = {item["name"]: item for item in _sensors(label, "label")}
    seen = {item["name"]: item for item in _sensors(shown, "sample")}
    parts = []
    for name in {**seen, **said}:
        entry = said.get(name, {})
        task_type = entry.get("task_type") or seen.get(name, {}).get("task_type")
        try:
            own = sensor_kind_of(str(task_type))
        except UsageError as error:
            raise LayoutError(f"sensor {name!r}: {error}") from error
        attributes = json_of(seen.get(name, {}).get("attributes"))
        parts.append(_part(name, own, entry.get("attributes"), attributes)._replace(entry=entry))
    return parts


def _sensors(value: JsonValue, what: str) -> list[Json]:
    found = json_of(value).get("sensors") or []
    if not isinstance(found, list) or not all(
        isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in found
    ):
        raise LayoutError(f"the sensors of the {what} are not a list of sensors with names")
    names = [item["name"] for item in found]
    if len(set(names)) < len(names):
        raise LayoutError(f"two sensors of the {what} have the same name: {', '.join(names)}")
    return found


def _part(sensor: str | None, kind: Kind, label: JsonValue, sample: Mapping[str, Any]) -> Part:
    if not (label is None or label == [] or isinstance(label, Mapping)):
        raise LayoutError(f"the attributes of its label are a {type(label).__name__}; expected an object")
    _check(label, "frames" if kind.sequence else "annotations")
    header = label if isinstance(label, Mapping) else None
    if not kind.sequence:
        return Part(sensor, kind, [] if header is None else [header], [sample] if sample else [], header)
    return Part(sensor, kind, _frames(json_of(header), "label"), _frames(json_of(sample), "sample"), header)


def _check(label: JsonValue, expected: str) -> None:
    """Refuse a label of another type: what it says would be passed over."""
    said = json_of(label)
    found = [name for name in ("annotations", "frames", "sensors") if name != expected and said.get(name)]
    if found and not said.get(expected):
        raise LayoutError(f"its label has {found[0]}, expected {expected}, as its dataset's type has them")


def _frames(value: Mapping[str, Any], what: str) -> list[Json]:
    found = value.get("frames") or []
    if not isinstance(found, list) or not all(isinstance(frame, Mapping) for frame in found):
        raise LayoutError(f"the frames of the {what} are not a list of objects")
    return found
