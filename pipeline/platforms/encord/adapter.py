"""Connects one Encord project: its two sides, and the checks of `doctor`."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import CredentialsError, LabelferryError, UsageError
from pipeline.platforms.encord.client import LIMITS, Client, Wanted
from pipeline.platforms.encord.listing import spool
from pipeline.platforms.encord.project import Project
from pipeline.platforms.encord.settings import Settings
from pipeline.platforms.encord.signing import credentials
from pipeline.platforms.encord.source import EncordSource
from pipeline.platforms.encord.target import EncordTarget
from pipeline.ports import Check, Source, Target, Tools


class EncordAdapter:
    """One project; everything that it opens is closed with `stack`."""

    def __init__(self, settings: Settings, client: Client, tools: Tools, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._client = client
        self._project = Project(client, settings.group_attribute)
        self._tools = tools
        self._stack = stack

    def source(self) -> Source:
        """Return the source side."""
        listing = self._stack.enter_context(spool(self._tools.scratch))
        return EncordSource(self._project, listing, self._tools.rows)

    def target(self) -> Target:
        """Return the target side."""
        return EncordTarget(self._project, self._tools, self._stack, _now)

    async def checks(self) -> AsyncIterator[Check]:
        """Check reachability and credentials with one request, then the project, ontology and limits."""
        began = time.monotonic()
        try:
            info = await self._client.project()
        except CredentialsError as error:
            yield Check("credentials", ok=False, message=str(error))
            return
        except LabelferryError as error:
            yield Check("project", ok=False, message=str(error))
            return
        took = (time.monotonic() - began) * 1000
        yield Check("reachable", ok=True, message=f"{self._settings.url} answers in {took:.0f} ms")
        yield Check("credentials", ok=True, message="the key or token is accepted")
        try:
            yield await self._rows(info.title)
            yield await self._classes()
        except LabelferryError as error:
            yield Check("project", ok=False, message=str(error))
            return
        text = (
            f"at most {LIMITS.max_rows} rows or {LIMITS.max_bytes >> 20} MiB a request, "
            f"up to {LIMITS.rate_ceiling:g} requests a second"
        )
        yield Check("limits", ok=True, message=text)

    async def _rows(self, title: str) -> Check:
        rows = started = other = 0
        with spool(self._tools.scratch) as listing:
            await self._client.list_all(listing, Wanted())
            async for batch in listing.rows():
                rows += len(batch)
                started += sum(row.label_hash is not None for row in batch)
                other += sum(not row.supported for row in batch)
        text = f"{title!r}: {rows} rows, {started} of them initialised, {other} of kinds that are left alone"
        return Check("project", ok=True, message=text)

    async def _classes(self) -> Check:
        ontology = await self._project.ontology()
        classes = ", ".join(f"{item.name} ({item.shape.value})" for item in ontology.classes) or "none"
        return Check("ontology", ok=True, message=f"classes: {classes}")


@asynccontextmanager
async def connect(settings: Settings, tools: Tools) -> AsyncIterator[EncordAdapter]:
    """Connect a project. Nothing is sent yet. Raises CredentialsError or UsageError."""
    client = Client(tools.channel(settings.url, LIMITS), settings, credentials(settings, os.environ))
    async with AsyncExitStack() as stack:
        yield EncordAdapter(settings, client, tools, stack)


def address(text: str, fragment: str) -> Mapping[str, Any]:
    """Return the settings of `encord:PROJECT_HASH`. Raises UsageError."""
    if fragment:
        raise UsageError(f"encord:{text}#{fragment}: an Encord address has no part after #")
    return {"project": text}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
