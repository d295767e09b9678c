"""A row of the label model to the complete label row that Encord saves."""

from dataclasses import replace

import msgspec

from pipeline.core.labels import LabelRow
from pipeline.core.losses import Note
from pipeline.core.merging import appended
from pipeline.core.ontology import Ontology
from pipeline.core.rows import EditedRow, PackedRow, Place
from pipeline.errors import RowError
from pipeline.platforms.encord.convert.assembly import Written, assembled
from pipeline.platforms.encord.convert.classification_packing import Classifications
from pipeline.platforms.encord.convert.context import Packing, Rules
from pipeline.platforms.encord.convert.hashes import Hashes, assign
from pipeline.platforms.encord.convert.index import index_of
from pipeline.platforms.encord.convert.layout import Opened
from pipeline.platforms.encord.convert.meaning import digest_of, meaning
from pipeline.platforms.encord.convert.object_packing import pack_objects
from pipeline.platforms.encord.convert.objects import Author, verbatim
from pipeline.platforms.encord.convert.times import to_encord
from pipeline.platforms.encord.wire import DRAWN


def pack_row(
    row: EditedRow,
    ontology: Ontology,
    *,
    now: str,
    user: str | None = None,
    require_answers: bool = False,
    group_attribute: str | None = None,
) -> PackedRow:
    """Return the row as the complete label row JSON that replaces the one that was opened.

    `row.place.details` is the `Opened` row, `row.existing` the labels read from it, `ontology` the project's.
    `now` (ISO 8601 or Encord's form) and `user` (None: the account that saves) mark what is new or changed.
    Raises RowError, with the row, the object and what to do, for anything that must not be sent.
    """
    if row.append and row.existing is not None:
        row = _appended(row, row.existing)
    opened = _opened(row)
    names = assign(row, opened.data_hash)
    author = Author(to_encord(now) or now, user)
    rules = Rules(require_answers=require_answers, group_attribute=group_attribute)
    packing = _packing(row, ontology, author, rules, names)
    objects = pack_objects(packing, names.skipped)
    classifications = Classifications(packing).write(names.classifications, names.skipped)
    _row_notes(packing)
    written = Written(objects, classifications)
    data = assembled(opened.row, packing.layout, packing.row, written)
    meant = meaning(objects, {key: entry for key, (entry, _) in classifications.items()})
    return PackedRow(
        key=row.key,
        # What was opened is large, and from here on only the name of the row is needed of it.
        place=Place(row.place.id, row.place.title, opened.label_hash),
        payload=msgspec.json.encode(data),
        labels=len(objects) + len(classifications),
        digest=digest_of(meant),
        unchanged=_unchanged(row.existing, written, meant),
        losses=tuple(packing.losses),
        notes=tuple(packing.notes),
        row=row.row,
    )


def _appended(row: EditedRow, existing: LabelRow) -> EditedRow:
    """The opened row with the new labels; a group of objects that are there already goes on there."""
    joined = replace(row, row=appended(existing, row.row))
    if not row.row.groups:
        return joined
    names = assign(joined, _opened(row).data_hash)
    there = {name: hash_ for name, hash_ in names.objects.items() if name in names.skipped}
    groups = tuple(
        replace(group, objects=tuple(there.get(name, name) for name in group.objects))
        for group in row.row.groups
    )
    return replace(row, row=appended(existing, replace(row.row, groups=groups))) if there else joined


def _opened(row: EditedRow) -> Opened:
    opened = row.place.details
    if not isinstance(opened, Opened):
        where = f"row {row.row.title or row.key.key!r}"
        raise RowError(f"{where}: it was not opened in Encord; open it before packing")
    return opened


def _packing(row: EditedRow, ontology: Ontology, author: Author, rules: Rules, names: Hashes) -> Packing:
    opened, hashes = _opened(row), names.objects
    if row.row.relations:  # what Encord cannot draw is left out, and nothing can point at it
        drawn = {
            item.id
            for item in row.row.objects
            if item.occurrences and item.shape in DRAWN and item.sensor is None
        }
        hashes = {key: name for key, name in hashes.items() if key in drawn}
    return Packing(row, index_of(ontology), opened.layout, author, rules, hashes)


def _unchanged(existing: LabelRow | None, written: Written, meant: bytes) -> bool:
    """Whether the opened row means the same already."""
    if existing is None or existing.label_count != len(written.objects) + len(written.classifications):
        return False
    before = [verbatim(item) for item in existing.objects]
    entries = {item.id: item.raw.data["answer"] for item in existing.classifications if item.raw}
    return meaning(before, entries) == meant


def _row_notes(packing: Packing) -> None:
    row, opened = packing.row, _opened(packing.edited).row
    if row.status is not None and row.status != opened.get("label_status"):
        why = f"status {row.status!r} is not written; a row's state is the project's workflow"
        packing.notes.append(Note(packing.key, None, "status", why))
    if row.score is not None:
        packing.notes.append(Note(packing.key, None, "score", f"score {row.score} is not written"))
    if row.priority is not None and row.priority != opened.get("priority"):
        packing.notes.append(Note(packing.key, None, "priority", f"priority {row.priority} is not written"))
    if row.metadata and row.metadata != (opened.get("client_metadata") or {}):
        packing.notes.append(Note(packing.key, None, "metadata", "metadata of the row are not written"))
