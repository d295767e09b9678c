"""What a label row says, without times, authors and display numbers: equal meanings give equal bytes."""

from collections.abc import Mapping
from hashlib import blake2b
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from pipeline.platforms.encord.convert.objects import WrittenObject
from pipeline.platforms.encord.wire import GEOMETRY_KEYS, Json, JsonValue


def meaning(objects: list[WrittenObject], classifications: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return the meaning of a row's labels as JSON, in an order that does not depend on theirs."""
    said = [_object(item) for item in sorted(objects, key=_hash)]
    kept = [_classification(key, classifications[key]) for key in sorted(classifications)]
    return msgspec.json.encode((said, kept))


_hash = attrgetter("hash")


def digest_of(meant: bytes) -> str:
    """Return the digest of a meaning."""
    return blake2b(meant, digest_size=16).hexdigest()


def _object(item: WrittenObject) -> tuple[Any, ...]:
    frames = [_frame(frame, found) for frame, found in item.frames.items()]
    if len(frames) > 1:
        frames.sort(key=itemgetter(0))
    said = item.answer.get("classifications")
    return item.hash, frames, _static(said) if said else (), _actions(item.actions) if item.actions else ()


def _frame(frame: int, found: Mapping[str, Any]) -> tuple[Any, ...]:
    drawn = found.get("boundingBox") if found.get("shape") == "bounding_box" else _geometry(found)
    manual = found.get("manualAnnotation") is not False
    return frame, found.get("featureHash"), drawn, _confidence(found), manual


def _actions(actions: Mapping[str, Any]) -> JsonValue:
    return sorted(
        (str(entry.get("featureHash")), msgspec.json.encode(_said(entry)).decode(), entry.get("range"))
        for entry in actions.get("actions") or ()
    )


def _confidence(found: Mapping[str, Any]) -> float:
    confidence = found.get("confidence")
    if type(confidence) is float:
        return confidence
    return 1.0 if confidence is None else float(confidence)


def _geometry(found: Mapping[str, Any]) -> JsonValue:
    shape = found.get("shape", "")
    key = GEOMETRY_KEYS.get(shape, "")
    drawn = found.get("polygons") if shape == "polygon" else found.get(key)
    if shape == "polygon" and not drawn:
        points = found.get("polygon") or {}
        ordered = [points[at] for at in sorted(points, key=int)] if isinstance(points, Mapping) else points
        return [[[number for point in ordered for number in (point["x"], point["y"])]]]
    if shape == "bitmask" and drawn:
        return drawn.get("height"), drawn.get("width"), drawn.get("rleString")
    if shape in ("circle", "ellipse") and drawn:
        return {"stretch": 1.0, "theta": 0.0, **drawn}
    return drawn


def _said(entry: Mapping[str, Any]) -> JsonValue:
    said = entry.get("answers")
    return sorted(str(_option(one)) for one in said) if isinstance(said, list) else said


def _option(said: JsonValue) -> JsonValue:
    return (
        said.get("featureHash") or said.get("value") or said.get("name")
        if isinstance(said, Mapping)
        else said
    )


def _static(entries: JsonValue) -> JsonValue:
    """Answers by attribute; the options of a checklist that is split over entries are joined."""
    if not entries:
        return ()
    joined: Json = {}
    for entry in entries:
        key, said = str(entry.get("featureHash")), _said(entry)
        if isinstance(said, list) and isinstance(joined.get(key), list):
            said = sorted({*joined[key], *said})
        joined[key] = said
    return sorted(joined.items())


def _classification(key: str, entry: Mapping[str, Any]) -> tuple[Any, ...]:
    manual = entry.get("manualAnnotation") is not False
    held = entry.get("range") or ()
    return (
        key,
        entry.get("featureHash"),
        _static(entry.get("classifications")),
        held,
        _confidence(entry),
        manual,
    )
