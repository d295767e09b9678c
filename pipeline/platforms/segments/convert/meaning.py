"""What a label says: equal meanings give equal bytes, whatever the order of annotations and the numbers."""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from pipeline.platforms.segments.convert.clouds import POINTS
from pipeline.platforms.segments.wire import JsonValue

_encoder = msgspec.json.Encoder(order="sorted")


def meaning_of(attributes: JsonValue, score: float | None) -> bytes:
    """Return the meaning of a label whose bitmaps are given as the digests of their pixels."""
    return _encoder.encode((_canonical(attributes), None if score is None else float(score)))


def digest_of(meant: bytes) -> str:
    """Return the digest of a meaning."""
    return blake2b(meant, digest_size=16).hexdigest()


def _canonical(value: JsonValue) -> JsonValue:
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is float:
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {key: _keyed(key, one) for key, one in value.items()}
    return [_canonical(one) for one in value] if isinstance(value, list) else value


def _keyed(key: str, value: JsonValue) -> JsonValue:
    if key == POINTS:
        return value
    found = _canonical(value)
    return sorted(found, key=_encoder.encode) if key == "annotations" and isinstance(found, list) else found
