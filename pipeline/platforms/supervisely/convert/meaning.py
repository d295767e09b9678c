"""What an annotation says, without ids, times and authors: equal meanings give equal bytes.

The order of labels does not count, nor the keys of groups, only which labels are in one. Numbers are compared
as numbers, bitmaps as they are written.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from pipeline.platforms.supervisely.convert.geometry import GEOMETRY_KEYS, bitmap_text, kind_of
from pipeline.platforms.supervisely.wire import JsonValue

_encoder = msgspec.json.Encoder(order="sorted")

_GEOMETRY: Final = frozenset(key for keys in GEOMETRY_KEYS.values() for key in keys)
_OWN: Final = frozenset(
    {
        "classTitle", "description", "tags", "geometryType", "shape", "nnCreated", "nnUpdated", "instance",
        "id", "classId", "labelerLogin", "createdAt", "updatedAt", "entityId", "imageId", "datasetId",
        "projectId", "objectId", "priority", "area", "realArea", "trackId", "geometryMeta",
    }
)  # fmt: skip
"""Keys of a label that are said apart, or that the server sets."""
_KNOWN: Final = _OWN | _GEOMETRY


def meaning_of_label(label: Mapping[str, Any], shape: str | None = None) -> bytes:
    """Return what a label says. `shape` is that of its class, for a label that does not say its own."""
    kind = kind_of(label, shape)
    drawn = [_drawn(key, label[key]) for key in GEOMETRY_KEYS.get(kind, ()) if key in label]
    more = {} if kind in GEOMETRY_KEYS and _KNOWN.issuperset(label) else _more(label, kind)
    tags = label.get("tags")
    return _encoder.encode(
        (
            label.get("classTitle"),
            kind,
            drawn,
            meaning_of_tags(tags) if tags else (),
            label.get("description") or "",
            bool(label.get("nnCreated")),
            bool(label.get("nnUpdated")),
            more,
        )
    )


def _more(label: Mapping[str, Any], kind: str) -> JsonValue:
    """Keys that nobody knows, and the geometry of a label that is not drawn, as they are."""
    held = {key: label[key] for key in label.keys() - _KNOWN if label[key] not in _EMPTY}
    if kind not in GEOMETRY_KEYS:
        held |= {key: label[key] for key in label.keys() & _GEOMETRY}
    return held


_EMPTY: Final[tuple[JsonValue, ...]] = (None, "", [], {})


def _drawn(key: str, value: JsonValue) -> JsonValue:
    if key == "bitmap":
        return bytes(value).decode() if isinstance(value, msgspec.Raw) else value and bitmap_text(value)
    if key == "geometry":
        return _plain(value.get("parts"))
    if key == "points":
        try:
            return msgspec.convert(value, _Rings)
        except msgspec.ValidationError:
            pass  # those of an oriented box, or a label from elsewhere that says more
    return _plain(value)


class _Rings(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Points with numbers as floats, as `_plain` gives them, in a fraction of the time."""

    exterior: list[tuple[float, float]] = []
    interior: list[list[tuple[float, float]]] = []


def _plain(value: JsonValue) -> JsonValue:
    """Numbers as floats, without holes and marks that are none."""
    kind = type(value)
    if kind is float:
        return value
    if kind is int:
        return float(value)
    if kind is list or kind is tuple:
        return [one if type(one) is float else _plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if one not in _NONE}
    return value


_NONE: Final[tuple[JsonValue, ...]] = ([], None, False)


def meaning_of_tags(tags: Iterable[JsonValue]) -> list[str]:
    """Return what tags say, in an order that does not depend on theirs."""
    return sorted(map(_tag, tags))


def _tag(tag: JsonValue) -> str:
    if type(tag) is str:
        return _encoder.encode((tag, None, None)).decode()
    value = tag.get("value")
    number = float(value) if type(value) is int else value
    return _encoder.encode((tag["name"], number, tag.get("customData") or None)).decode()


def meaning_of_image(annotation: Mapping[str, Any]) -> bytes:
    """Return what an annotation says of its image beside the labels."""
    return _encoder.encode(
        (
            annotation.get("description") or "",
            annotation.get("customBigData") or {},
            meaning_of_tags(annotation.get("tags") or ()),
        )
    )


def digest_of(image: bytes, labels: Sequence[bytes], keys: Sequence[str | None]) -> str:
    """Return the digest of a whole annotation; `keys` has the group of each label, or None."""
    whole = sorted(labels)
    numbers = {label: number for number, label in enumerate(whole)}  # labels that say the same have one
    groups: dict[str, list[int]] = {}
    for label, key in zip(labels, keys, strict=True):
        if key is not None:
            groups.setdefault(key, []).append(numbers[label])
    bound = sorted(sorted(members) for members in groups.values())
    digest = blake2b(image, digest_size=16)
    digest.update(b"\0".join((b"", *whole, _encoder.encode(bound))))
    return digest.hexdigest()
