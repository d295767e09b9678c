"""Connects one labelset of a Segments.ai dataset: its two sides, and the checks of `doctor`."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from pipeline.errors import CredentialsError, LabelferryError, UsageError
from pipeline.platforms.segments.client import LIMITS, Client, api_key
from pipeline.platforms.segments.dataset import OpenDataset
from pipeline.platforms.segments.release import release_url
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.source import SegmentsSource
from pipeline.platforms.segments.target import SegmentsTarget
from pipeline.ports import Check, Source, Target, Tools


class SegmentsAdapter:
    """One labelset; everything that it opens is closed with `stack`."""

    def __init__(self, settings: Settings, client: Client, tools: Tools, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._dataset = OpenDataset(client, settings, tools.assets, tools.emit)
        self._tools = tools
        self._stack = stack

    def source(self) -> Source:
        """Return the source side."""
        return SegmentsSource(self._dataset, self._settings, self._below("read"), self._stack)

    def target(self) -> Target:
        """Return the target side. Raises UsageError for a release, which nobody can write."""
        if self._settings.release is not None:
            text = f"release {self._settings.release!r} cannot be written, as no release changes"
            raise UsageError(f"{text}; take `release` out of the target")
        return SegmentsTarget(self._dataset, self._settings, self._below("written"), self._stack)

    def _below(self, side: str) -> Tools:
        return replace(self._tools, scratch=self._tools.scratch / side)

    async def checks(self) -> AsyncIterator[Check]:
        """Check reachability and the key with one request, then the dataset, its classes and the limits."""
        began = time.monotonic()
        try:
            project = await self._dataset.project()
        except CredentialsError as error:
            yield Check("credentials", ok=False, message=str(error))
            return
        except LabelferryError as error:
            missing = isinstance(error, UsageError) and self._settings.create and self._dataset.info is None
            text = "there is no such dataset; it will be created" if missing else str(error)
            yield Check("dataset", ok=missing, message=text)
            return
        took = (time.monotonic() - began) * 1000
        yield Check("reachable", ok=True, message=f"{self._settings.url} answers in {took:.0f} ms")
        yield Check("credentials", ok=True, message="the API key is accepted")
        count = self._dataset.info.count if self._dataset.info else None
        text = f"{self._settings.dataset}: type {project.kind.task_type}, {count} samples"
        there = (
            "" if self._dataset.has_labelset else f"; labelset {self._settings.labelset!r} is not there yet"
        )
        yield Check("dataset", ok=True, message=text + there)
        if self._settings.release is not None:
            yield await self._release()
        classes = (
            ", ".join(f"{item.name} ({item.shape.value})" for item in project.ontology.classes) or "none"
        )
        yield Check("ontology", ok=True, message=f"classes: {classes}")
        text = f"one label a request, up to {LIMITS.rate_ceiling:g} requests a second"
        yield Check("limits", ok=True, message=text)

    async def _release(self) -> Check:
        try:
            await release_url(self._dataset.client, self._settings)
        except LabelferryError as error:
            return Check("release", ok=False, message=str(error))
        return Check("release", ok=True, message=f"release {self._settings.release!r} can be read")


@asynccontextmanager
async def connect(settings: Settings, tools: Tools) -> AsyncIterator[SegmentsAdapter]:
    """Connect a dataset. Nothing is sent yet. Raises CredentialsError or UsageError."""
    key = api_key(settings, os.environ)
    client = Client(tools.channel(settings.url, LIMITS), tools.assets, settings, key)
    async with AsyncExitStack() as stack:
        yield SegmentsAdapter(settings, client, tools, stack)


def address(text: str, fragment: str) -> Mapping[str, Any]:
    """Return the settings of `segments:OWNER/DATASET#LABELSET`."""
    return {"dataset": text, "labelset": fragment} if fragment else {"dataset": text}
