"""The frames of all parts to the attributes of one label."""

from collections.abc import Mapping, Sequence

from pipeline.platforms.segments.convert.context import Before, Packing
from pipeline.platforms.segments.convert.images import IMAGE_ATTRIBUTES
from pipeline.platforms.segments.convert.layout import Part
from pipeline.platforms.segments.wire import Json, JsonValue


def joined(
    packing: Packing,
    kept: Before,
    parts: Sequence[Part],
    frames: Sequence[list[Json]],
    links: list[Json] | None,
) -> JsonValue:
    """Return the attributes of the label: what came beside the frames stays. A sensor of no label has []."""
    bodies = [_body(part, found) for part, found in zip(parts, frames, strict=True)]
    label = bodies[0] if bodies and not packing.project.kind.sensors else _of_sensors(kept, parts, bodies)
    if links is not None and isinstance(label, dict):
        label["links"] = links
    return label


def _of_sensors(kept: Before, parts: Sequence[Part], bodies: Sequence[JsonValue]) -> JsonValue:
    if not parts:
        return kept.label
    label: Json = dict(kept.label) if isinstance(kept.label, Mapping) else {}
    label["sensors"] = [
        {"name": part.sensor, "task_type": part.kind.task_type, **part.entry, "attributes": body}
        for part, body in zip(parts, bodies, strict=True)
    ]
    return label


def _body(part: Part, frames: list[Json]) -> JsonValue:
    if part.header is None and part.sensor is not None and not any(map(_says, frames)):
        return []
    if not part.kind.sequence:
        return frames[0]
    header: Json = {"format_version": part.kind.version} if part.header is None else dict(part.header)
    if frames or part.header is None or header.get("frames") is not None:
        header["frames"] = frames
    return header


def _says(frame: Json) -> bool:
    return bool(frame.get("annotations") or frame.get(IMAGE_ATTRIBUTES))
