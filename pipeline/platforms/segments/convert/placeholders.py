"""What stands in a payload for the URL of a file that is still to be uploaded."""

from collections.abc import Sequence

import msgspec

from pipeline.core.rows import PackedRow


def placeholder_of(number: int, digest: str) -> str:
    """Return what stands for the URL of asset `number` of a row with this digest.

    The digest is that of all that the label says, so nothing in the label can hold it, even on purpose.
    """
    return f"urn:labelferry:{digest}:{number}"


def placeholders(row: PackedRow) -> tuple[str, ...]:
    """Return what stands for the URL of each asset of a row, in order."""
    return tuple(placeholder_of(number, row.digest) for number in range(len(row.assets)))


def filled(row: PackedRow, urls: Sequence[str]) -> bytes:
    """Return the payload of a row with the URLs of its assets in place. ValueError for too few or many."""
    payload = row.payload
    for placeholder, url in zip(placeholders(row), urls, strict=True):
        payload = payload.replace(msgspec.json.encode(placeholder), msgspec.json.encode(url))
    return payload
