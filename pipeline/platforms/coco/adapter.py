"""COCO's two sides."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipeline.errors import UsageError
from pipeline.platforms.coco.settings import Settings
from pipeline.platforms.coco.source import CocoSource
from pipeline.platforms.coco.target import CocoTarget
from pipeline.ports import Check, Source, Target, Tools


class CocoAdapter:
    """Some COCO files to read, or one to write."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._source: CocoSource | None = None

    def source(self) -> Source:
        """Return the source side."""
        if self._source is None:
            self._source = CocoSource(self._settings, self._tools.scratch, self._tools.rows)
        return self._source

    def target(self) -> Target:
        """Return the target side. Raises UsageError for several files."""
        if len(self._settings.files) != 1:
            raise UsageError("a coco target is one file; `annotations` names several")
        settings = self._settings
        return CocoTarget(settings.files[0], settings.style, self._tools.scratch, settings.group_field)

    async def checks(self) -> AsyncIterator[Check]:
        """Check that the files can be read, or the one that is not there yet can be written."""
        for path in self._settings.files:
            if path.is_file():
                ok = os.access(path, os.R_OK)
                yield Check(
                    "file", ok, f"{path}: {path.stat().st_size} bytes{'' if ok else ', not readable'}"
                )
            else:
                folder = next(place for place in path.absolute().parents if place.exists())
                ok = os.access(folder, os.W_OK)
                yield Check("file", ok, f"{path} is not there; {folder} can{'' if ok else 'not'} be written")

    def close(self) -> None:
        """Remove what the source kept on disk."""
        if self._source is not None:
            self._source.close()


@asynccontextmanager
async def connect(settings: Settings, tools: Tools) -> AsyncIterator[CocoAdapter]:
    """Connect: files are opened when they are read or written."""
    adapter = CocoAdapter(settings, tools)
    try:
        yield adapter
    finally:
        adapter.close()
