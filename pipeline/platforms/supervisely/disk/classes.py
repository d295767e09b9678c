"""The classes and tags of an export that is written: what is there, with what the rows need."""

import threading
from collections.abc import Iterable
from pathlib import Path

from pipeline.core.labels import LabelRow
from pipeline.core.ontology import Ontology
from pipeline.errors import RowError, UsageError
from pipeline.platforms.supervisely.convert import Merged, Project, Rules, drafted, merge_meta, project_of
from pipeline.platforms.supervisely.disk.files import load_meta, make_folder, save_all, written
from pipeline.platforms.supervisely.disk.layout import META
from pipeline.platforms.supervisely.wire import Json


class Classes:
    """The meta of an export, as it will be. `wanted` None: nobody tells the classes, rows bring theirs."""

    def __init__(self, root: Path, wanted: Ontology | None, rules: Rules) -> None:
        present = load_meta(root)
        self._path = root / META
        self._rules = rules
        self._drafts = wanted is None
        self._lock = threading.Lock()
        merged = merge_meta(present or {}, wanted or Ontology(), rules)
        if merged.conflicts:
            raise UsageError(f"the export {root} cannot take these classes:\n" + "\n".join(merged.conflicts))
        self.exists = present is not None
        self.added = merged.added
        self._changed = not self.exists or bool(merged.added)
        self.project = project_of(merged.meta, rules)

    @property
    def ontology(self) -> Ontology | None:
        """The classes and tags that labels must fit, or None where rows bring their own."""
        return None if self._drafts else self.project.ontology

    def for_row(self, row: LabelRow) -> Project:
        """Return what the labels of a row have to fit. Pure. Raises RowError."""
        if not self._drafts:
            return self.project
        merged = self._with([row])
        if merged.conflicts:
            raise RowError(f"row {row.title or row.key!r}: {merged.conflicts[0]}")
        return project_of(merged.meta, self._rules) if merged.added else self.project

    def write(self, rows: Iterable[LabelRow] = ()) -> None:
        """Write the meta where it is new, or lacks what these rows need. Raises UsageError or Stopped."""
        with self._lock:
            if self._drafts:
                self._add(rows)
            if self._changed:
                make_folder(self._path.parent)
                save_all({self._path: written(self.project.meta)})
                self._changed = False

    def _add(self, rows: Iterable[LabelRow]) -> None:
        merged = self._with(rows)
        if merged.added:
            self.project = project_of(merged.meta, self._rules)
            self._changed = True

    def _with(self, rows: Iterable[LabelRow]) -> Merged:
        meta: Json = self.project.meta
        return merge_meta(meta, drafted(rows, self.project.ontology), self._rules)
