"""One dataset, as both sides of the adapter use it: asked once, its labels read with their bitmaps."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import anyio
from anyio import to_thread

from pipeline.core.codecs import instance_png
from pipeline.core.instances import InstanceMap
from pipeline.core.labels import LabelRow
from pipeline.core.masks import MaskError
from pipeline.errors import RowError, TransientError, UsageError
from pipeline.events import Event, NoteSeen
from pipeline.io.streams import together
from pipeline.platforms.segments.client import Client
from pipeline.platforms.segments.convert import (
    Kind,
    Project,
    Rules,
    bitmap_urls,
    kind_of,
    read_ontology,
    read_row,
)
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.wire import LABELSET, Dataset, Label, Sample
from pipeline.ports import Assets

BITMAP = 100 * 1024 * 1024
"""Bytes of a bitmap at most: what the service takes."""
DECODED_AT_ONCE = 2


class OpenDataset:
    """Reads a dataset through its client. `emit` tells what is met while labels are read."""

    def __init__(
        self, client: Client, settings: Settings, assets: Assets, emit: Callable[[Event], None]
    ) -> None:
        self.client = client
        self._settings = settings
        self._assets = assets
        self._emit = emit
        self._lock = anyio.Lock(fast_acquire=True)
        self._decoding = anyio.CapacityLimiter(DECODED_AT_ONCE)
        self._project: Project | None = None
        self.info: Dataset | None = None

    async def project(self) -> Project:
        """Return the dataset's type and ontology; asked once. UsageError where there is no such dataset."""
        async with self._lock:
            if self._project is None:
                try:
                    self.info = await self.client.dataset()
                except UsageError as error:
                    text = f"there is no dataset {self._settings.dataset!r}, or the key may not see it"
                    raise UsageError(f"{text}: {error}") from error
                self._project = project_of(self.info, self._settings)
            return self._project

    def assume(self, info: Dataset) -> None:
        """Take this as the dataset: one of a release, or one that is still to be or has just been created."""
        self.info, self._project = info, project_of(info, self._settings)

    @property
    def has_labelset(self) -> bool:
        """Whether the labelset exists. What the dataset does not tell is taken to exist."""
        name, known = self._settings.labelset, self.info.labelsets if self.info else None
        return name == LABELSET or known is None or name in {item.name for item in known}

    def require_labelset(self) -> None:
        """Raise UsageError where the labelset does not exist."""
        if not self.has_labelset and self.info and self.info.labelsets is not None:
            names = ", ".join(item.name for item in self.info.labelsets) or "none"
            text = f"dataset {self._settings.dataset} has no labelset {self._settings.labelset!r}"
            raise UsageError(f"{text}; it has {names}")

    async def read(self, sample: Sample, label: Label | None, project: Project) -> LabelRow:
        """Return the labels of a sample. Raises RowError, or TransientError where a bitmap does not come."""
        urls = bitmap_urls(project.kind, label.attributes) if label else []
        bitmaps = await self.bitmaps(urls, sample.name) if urls else {}
        read = read_row(sample, label, project, bitmaps)
        for note in read.notes:
            self._emit(NoteSeen(note.row, note.object, note.what, note.why))
        return read.row

    async def bitmaps(self, urls: Sequence[str], name: str) -> Mapping[str, InstanceMap]:
        """Fetch and decode bitmaps. Raises RowError that names the row."""

        async def fetch(url: str) -> InstanceMap:
            data = await self._assets.get(url, most=BITMAP)
            return await to_thread.run_sync(instance_png.decode, data, limiter=self._decoding)

        try:
            maps = await together([partial(fetch, url) for url in urls])
        except (RowError, MaskError) as error:
            raise RowError(f"row {name!r}: its bitmap cannot be read: {error}") from error
        except TransientError as error:
            raise TransientError(f"row {name!r}: its bitmap cannot be read: {error}") from error
        return dict(zip(urls, maps, strict=True))


def needs_files(kind: Kind) -> bool:
    """Whether reading a label of this type may fetch files: then it is worth doing many at once."""
    return kind.bitmaps or kind.sensors


def project_of(info: Dataset, settings: Settings) -> Project:
    """Return what converting has to know of a dataset. UsageError for a type that has no labels to move."""
    rules = Rules(group_attribute=settings.group_attribute, group_links=settings.groups == "links")
    kind = kind_of(info.task_type)
    ontology = read_ontology(info.task_type, info.task_attributes or {})
    full = bool(info.enable_3d_cuboid_rotation)
    return Project(kind, ontology, rules, settings.url, full_rotation=full)
