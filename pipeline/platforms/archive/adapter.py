"""The archive's two sides."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.platforms.archive.settings import Settings
from pipeline.platforms.archive.source import HEADER, ArchiveSource, load_ontology, read_header
from pipeline.platforms.archive.target import ArchiveTarget
from pipeline.ports import Check, Source, Target, Tools


class ArchiveAdapter:
    """One archive."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._folder = settings.path.expanduser()
        self._tools = tools

    def source(self) -> Source:
        """Return the source side."""
        return ArchiveSource(self._folder, self._tools.rows)

    def target(self) -> Target:
        """Return the target side."""
        return ArchiveTarget(self._folder, self._tools.scratch)

    async def checks(self) -> AsyncIterator[Check]:
        """Check the folder, the header and the ontology."""
        if not (self._folder / HEADER).exists():
            place = _nearest(self._folder)
            writable = os.access(place, os.W_OK)
            yield Check(
                "folder", writable, f"no archive yet; {place} can{'' if writable else 'not'} be written"
            )
            return
        try:
            header = read_header(self._folder)
            yield Check("archive", ok=True, message=f"version {header.version}, {header.rows} rows")
            ontology = load_ontology(self._folder)
            yield Check("ontology", ok=True, message=f"{len(ontology.classes)} classes")
        except UsageError as error:
            yield Check("archive", ok=False, message=str(error))


def _nearest(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


@asynccontextmanager
async def connect(settings: Settings, tools: Tools) -> AsyncIterator[ArchiveAdapter]:
    """Connect: nothing is opened until it is read or written."""
    yield ArchiveAdapter(settings, tools)
