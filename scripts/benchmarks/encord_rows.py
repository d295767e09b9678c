"""Whether two clients have written the same labels."""

from collections.abc import Iterable, Mapping
from typing import Any

PLACES = 9
"""Decimal places of fractions of the image that must be equal: 1e-6 pixels and less."""


def alike(one: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]]) -> None:
    """Raise SystemExit unless both hold the same labels in every row, whatever the labels are called."""
    first, second = ({row["data_title"]: _labels(row) for row in rows} for rows in (one, other))
    if first.keys() != second.keys():
        raise SystemExit("the two clients have not written the same rows")
    for title, labels in first.items():
        if not labels or labels != second[title]:
            raise SystemExit(f"row {title}: the two clients have not written the same labels")


def _labels(row: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    labels = row["label_row"]
    found = []
    for unit in labels["data_units"].values():
        for item in unit["labels"]["objects"]:
            box = item.get("boundingBox") or {}
            mask = item.get("bitmask") or {}
            place = tuple(round(box[key], PLACES) for key in sorted(box))
            said = labels["object_answers"][item["objectHash"]]["classifications"]
            found.append((item["featureHash"], item["shape"], place, mask.get("rleString", ""), str(said)))
    return sorted(found)
