"""A local Supervisely, and the vendor's SDK as a program beside it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio.to_thread
import pytest

from pipeline.core.labels import LabelRow, Media
from pipeline.core.ontology import Ontology
from pipeline.platforms.supervisely.stand_in import serve
from pipeline.ports import Running, Seed
from tests.oracles.session import Session, python_of

PYTHON = python_of("supervisely")
needs_sdk = pytest.mark.skipif(
    not PYTHON.exists(), reason="the supervisely SDK has no environment here; scripts/test makes it"
)

Json = dict[str, Any]
WORKSPACE = 619
"""The workspace of the stand-in."""


class Sdk(Session):
    """The SDK in a process of its own, which is started at the first task."""

    def __init__(self) -> None:
        super().__init__("supervisely", {"SUPERVISELY_SKIP_HTTPS_USER_HELPER_CHECK": "true"})

    async def ask(self, command: str, running: Running, given: Json) -> Json:
        """Do one command of `sdk_commands`: its `answer`, or the `kind` of its error and the `error`."""
        token = running.environment["API_TOKEN"]
        task = {"command": command, "url": running.url, "token": token, "given": given}
        found: Json = await anyio.to_thread.run_sync(self.say, task)
        return found


@dataclass(frozen=True)
class Served:
    """A running stand-in, and the SDK that is connected to it."""

    running: Running
    vendor: Sdk
    project: int
    """The project that the stand-in made from its seed."""
    dataset: int
    """Its dataset."""
    images: dict[str, int] = field(default_factory=dict)
    """Ids of the seed's images by name."""

    async def sdk(self, command: str, **given: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
        """Do a command of `sdk_commands`, and return what it says."""
        said = await self.vendor.ask(command, self.running, given)
        assert "error" not in said, said["error"]
        return said["answer"]

    async def refused(self, command: str, **given: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON
        """Do a command that must fail, and return the kind of the error and its trace."""
        said = await self.vendor.ask(command, self.running, given)
        assert "error" in said, said
        return said["kind"], said["error"]

    async def rows(self) -> dict[str, Json]:
        """The images as the server keeps them, by `project:dataset/name`."""
        rows = await self.get("/_sandbox/rows")
        return {f"{row['project']}:{row['dataset']}/{row['name']}": row for row in rows}

    async def stored(self, image: int) -> Json:
        """The annotation of an image as the server keeps it."""
        return next(row["annotation"] for row in await self.get("/_sandbox/rows") if row["id"] == image)

    async def log(self) -> Json:
        """What arrived at the server."""
        found: Json = await self.get("/_sandbox/log")
        return found

    async def call(self, method: str, **body: Any) -> Any:  # noqa: ANN401 - JSON
        """Call a method of the service past the SDK."""
        headers = {"x-api-key": self.running.environment["API_TOKEN"]}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.running.url}/public/api/v3/{method}", json=body) as answer,
        ):
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Ask the server for something that needs no token."""
        async with aiohttp.ClientSession() as session, session.get(self.running.url + path) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()


@asynccontextmanager
async def served(
    sdk: Sdk,
    rows: Sequence[LabelRow] = (),
    ontology: Ontology | None = None,
    **options: Any,  # noqa: ANN401
) -> AsyncIterator[Served]:
    """Serve a project of these rows, with the given classes and tags or none."""
    given = dict(options)
    if ontology is None:
        given.setdefault("meta", {"classes": [], "tags": []})
    async with serve(Seed(ontology or Ontology(), rows), given) as running:
        place = running.address.removeprefix("supervisely:").partition("/")[0]
        found = Served(running, sdk, int(place), 0)
        listed = await found.call("datasets.list", projectId=found.project)
        images = await found.get("/_sandbox/rows")
        yield Served(
            running,
            sdk,
            found.project,
            listed["entities"][0]["id"],
            {row["name"]: row["id"] for row in images},
        )


def pictures(count: int, width: int = 64, height: int = 48) -> list[LabelRow]:
    """Rows of a seed: `count` images of one size."""
    return [
        LabelRow(key=str(n), title=f"image-{n}.png", media=(Media(width=width, height=height),))
        for n in range(count)
    ]
