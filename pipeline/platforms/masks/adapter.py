"""The one side of a folder of masks: it is read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipeline.errors import UsageError
from pipeline.platforms.masks.settings import Settings
from pipeline.platforms.masks.source import MasksSource
from pipeline.ports import Check, Source, Target, Tools


class MasksAdapter:
    """A folder of images, and of their masks."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._source = MasksSource(settings, tools.rows)

    def source(self) -> Source:
        """Return the source side."""
        return self._source

    def target(self) -> Target:
        """Raise UsageError: files of masks are read only."""
        raise UsageError(
            "masks is a source only: a folder of pictures would lose what is no mask; use archive or coco"
        )

    async def checks(self) -> AsyncIterator[Check]:
        """Check that the files fit together, and say how many there are."""
        settings = self._settings
        try:
            found = await self._source.listing()
        except UsageError as error:
            yield Check("files", ok=False, message=str(error))
            return
        masks = sum(len(image.masks) for image in found.images)
        yield Check("files", ok=True, message=f"{len(found.images)} images and {masks} masks")
        if found.unread:
            message = f"the pattern {settings.pattern!r} leaves out {found.unread} pictures"
            yield Check("pattern", ok=True, message=message)
        yield Check("classes", ok=True, message=", ".join(found.classes) or "none")


@asynccontextmanager
async def connect(settings: Settings, tools: Tools) -> AsyncIterator[MasksAdapter]:
    """Connect: files are opened when they are read."""
    yield MasksAdapter(settings, tools)
