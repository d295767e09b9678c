"""Which hash each object and classification of a row gets."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.core.labels import Classification, ObjectInstance
from pipeline.core.rows import EditedRow
from pipeline.errors import RowError
from pipeline.platforms.encord.convert.identity import short_hash
from pipeline.platforms.encord.wire import PLATFORM


class Hashes(NamedTuple):
    """Hash by id. `skipped` holds the ids of labels that the target has already under that hash."""

    objects: Mapping[str, str]
    classifications: Mapping[str, str]
    skipped: frozenset[str]


def assign(row: EditedRow, data_hash: str) -> Hashes:
    """Keep hashes that came from Encord, derive all others from target row, source row and source id.

    A label from elsewhere whose derived hash a label of the opened row has, which stays in the row, is that
    very label, added by an earlier run: it is skipped. RowError for an id that two labels have.
    """
    existing = row.existing
    skipped: set[str] = set()
    objects = _assign(row, row.row.objects, existing.objects if existing else (), data_hash, skipped)
    before = existing.classifications if existing else ()
    classifications = _assign(row, row.row.classifications, before, data_hash, skipped)
    return Hashes(objects, classifications, frozenset(skipped))


def _assign(
    row: EditedRow,
    items: Sequence[ObjectInstance | Classification],
    existing: Sequence[ObjectInstance | Classification],
    data_hash: str,
    skipped: set[str],
) -> dict[str, str]:
    if not items:
        return {}
    opened = {item.id for item in existing}
    kept = [item.id for item in items if item.raw is not None and _own_hash(item) == item.id]
    # An object of the opened row has the first right to its hash, then any other that came from Encord.
    hashes = dict(zip(kept, kept, strict=True))
    taken = set(kept)
    kind = "object" if isinstance(items[0], ObjectInstance) else "classification"
    whose = f"{data_hash}\0{row.key.key}\0{kind}"
    for item in items if len(hashes) < len(items) else ():
        if item.id in hashes:
            if (
                item.id in taken
                and kept.count(item.id) == 1
                and item.raw is not None
                and _own_hash(item) == item.id
            ):
                continue
            raise _twice(row, item)
        wanted = short_hash(whose, item.id, "0")
        if wanted in taken:
            if wanted in opened:
                skipped.add(item.id)
            part = 0
            while wanted in taken and item.id not in skipped:
                part += 1
                wanted = short_hash(whose, item.id, str(part))
        taken.add(wanted)
        hashes[item.id] = wanted
    return hashes


def _own_hash(item: ObjectInstance | Classification) -> str | None:
    """The hash under which Encord sent a label, if it did."""
    if item.raw is None or item.raw.platform != PLATFORM:
        return None
    if isinstance(item, ObjectInstance):
        for found in (item.raw.data.get("frames") or {}).values():
            return str(found.get("objectHash"))
        return None
    answer = item.raw.data.get("answer") or {}
    return str(answer.get("classificationHash") or item.id)


def _twice(row: EditedRow, item: ObjectInstance | Classification) -> RowError:
    kind = "objects" if isinstance(item, ObjectInstance) else "classifications"
    return RowError(
        f"row {row.row.title or row.key.key!r}: two {kind} have the id {item.id!r}; give one another id"
    )
