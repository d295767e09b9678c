"""A local Segments.ai, and the vendor's SDK as a program beside it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import anyio.to_thread
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.labels import LabelRow
from pipeline.core.ontology import Ontology
from pipeline.platforms.segments.stand_in import serve
from pipeline.ports import Running, Seed
from tests.oracles.session import Session, python_of

PYTHON = python_of("segments")
needs_sdk = pytest.mark.skipif(
    not PYTHON.exists(), reason="the segments SDK has no environment here; scripts/test makes it"
)

Json = dict[str, Any]
DATASET = "sandbox/dataset"
"""The dataset that the stand-in makes from its seed."""


class Sdk(Session):
    """The SDK in a process of its own, which is started at the first task."""

    def __init__(self) -> None:
        super().__init__("segments")

    async def ask(self, command: str, running: Running, given: Json) -> Json:
        """Do one command of `sdk_commands`: its `answer`, or the `kind` of its error and the `error`."""
        key = running.environment["SEGMENTS_API_KEY"]
        task = {"command": command, "url": running.url, "key": key, "given": given}
        found: Json = await anyio.to_thread.run_sync(self.say, task)
        return found


@dataclass(frozen=True)
class Served:
    """A running stand-in, and the SDK that is connected to it."""

    running: Running
    vendor: Sdk
    uuids: dict[str, str] = field(default_factory=dict)

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

    async def ids(self, command: str, **given: Any) -> NDArray[np.uint32]:  # noqa: ANN401 - JSON
        """Do a command that says the path of an array, and return the array."""
        return load(await self.sdk(command, **given))

    async def rows(self) -> dict[str, Json]:
        """The samples as the server keeps them, with their labels by labelset, by `dataset:name`."""
        rows = await self.ask("GET", "/_sandbox/rows")
        return {f"{row['dataset']}:{row['name']}": row for row in rows}

    async def stored(self, name: str, dataset: str = DATASET, labelset: str = "ground-truth") -> Json:
        """A label's attributes as the server keeps them."""
        found: Json = (await self.rows())[f"{dataset}:{name}"]["labels"][labelset]["attributes"]
        return found

    async def ask(self, method: str, path: str, content: Any = None) -> Any:  # noqa: ANN401 - JSON
        """Ask the server past the SDK."""
        headers = {"Authorization": f"APIKey {self.running.environment['SEGMENTS_API_KEY']}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.running.url + path, json=content) as answer,
        ):
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def plant(self, uuid: str, attributes: Json, labelset: str = "ground-truth") -> None:
        """Put a label where it is kept, past the SDK, which would drop some of its keys."""
        body = {"label_status": "LABELED", "attributes": attributes}
        await self.ask("PUT", f"/labels/{uuid}/{labelset}/", body)


@asynccontextmanager
async def served(
    sdk: Sdk,
    rows: Sequence[LabelRow] = (),
    ontology: Ontology | None = None,
    **options: Any,  # noqa: ANN401
) -> AsyncIterator[Served]:
    """Serve with forms that have no session token: the SDK drops it, and could not upload."""
    given = {"session_token": False, **options}
    async with serve(Seed(ontology or Ontology(), rows), given) as running:
        found = Served(running, sdk)
        for row in await found.ask("GET", "/_sandbox/rows"):
            found.uuids[row["name"]] = row["uuid"]
        yield found


def load(path: str) -> NDArray[np.uint32]:
    """Load an array that the SDK's process saved, and remove its file."""
    found: NDArray[np.uint32] = np.load(path)
    Path(path).unlink()
    return found
