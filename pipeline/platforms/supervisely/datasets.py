"""The datasets of a project by their paths: the names of nested ones, joined by "/". Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.errors import UsageError
from pipeline.platforms.supervisely.client import DatasetInfo

NAMED = 12
"""Datasets that a message names at most."""


@dataclass(frozen=True, slots=True)
class Datasets:
    """All datasets of a project: paths by id, in the order of the project's tree, and ids by path.

    `counts` has the images of those that say how many they have, by id.
    """

    paths: Mapping[int, str] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, infos: Sequence[DatasetInfo]) -> "Datasets":
        """Return the tree of what was listed; a dataset whose parent was not listed stands at the top."""
        known = {info.id for info in infos}
        below: dict[int | None, list[DatasetInfo]] = {}
        for info in infos:
            below.setdefault(info.parent_id if info.parent_id in known else None, []).append(info)
        paths: dict[int, str] = {}
        waiting = [(info, "") for info in reversed(below.get(None, []))]
        while waiting:
            info, above = waiting.pop()
            paths[info.id] = path = f"{above}/{info.name}" if above else info.name
            waiting += [(child, path) for child in reversed(below.get(info.id, []))]
        said = {info.id: str(info.images_count) for info in infos}
        counts = {key: int(count) for key, count in said.items() if count.isdecimal()}
        return cls(paths, {path: key for key, path in reversed(paths.items())}, counts)

    def summary(self, images: object) -> str:
        """Say how many images the project has, if it or each of its datasets tells, and how many datasets."""
        if images is None and len(self.counts) == len(self.paths):
            images = sum(self.counts.values())
        return f"{'' if images is None else f'{images} images in '}{len(self.paths)} datasets"

    def chosen(self, path: str | None) -> list[int]:
        """Return the ids of all datasets, or of the one that is named. Raises UsageError."""
        if path is None:
            return list(self.paths)
        if path not in self.ids:
            raise UsageError(self.explain_missing(path))
        return [self.ids[path]]

    def explain_missing(self, path: str) -> str:
        """Say that there is no such dataset, and which there are."""
        names = list(self.ids)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return f"the project has no dataset {path!r}; it has {(', '.join(names[:NAMED]) or 'none') + more}"
