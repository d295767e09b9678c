"""A project on a local stand-in, the vendor's SDK as a program beside it, and labelferry's own command."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio.to_thread
import pytest

from pipeline.core.labels import LabelRow, Media, MediaKind
from pipeline.core.ontology import Ontology
from pipeline.platforms.encord.stand_in import serve
from pipeline.ports import Running, Seed
from pipeline.sandbox.process import apart
from tests.cli.command import Ended, labelferry
from tests.oracles.session import Session, python_of

PYTHON = python_of("encord")
needs_sdk = pytest.mark.skipif(
    not PYTHON.exists(), reason="the encord SDK has no environment here; scripts/test makes it"
)

Json = dict[str, Any]
TOKEN = "sandbox-token"
DOCUMENTED = "project: 7d4ead9c-4087-4832-a301-eb2545e7d43b"
TARGET = f"target: {{platform: encord, {DOCUMENTED}}}\n"
"""How a job file names the project of the documentation."""

IMAGE = LabelRow(key="a", title="image.png", media=(Media(width=161, height=120),))
OTHER = LabelRow(key="b", title="other.png", media=(Media(width=67, height=43),))
GROUP = LabelRow(
    key="c",
    title="group",
    media_kind=MediaKind.IMAGE_GROUP,
    media=(Media(name="left", width=160, height=121), Media(name="right", width=80, height=50)),
    frame_count=2,
)
SEQUENCE = LabelRow(
    key="d",
    title="sequence",
    media_kind=MediaKind.IMAGE_SEQUENCE,
    media=(Media(width=97, height=60),),
    frame_count=6,
)
VIDEO = LabelRow(
    key="e",
    title="video.mp4",
    media_kind=MediaKind.VIDEO,
    media=(Media(width=97, height=60),),
    frame_count=30,
    fps=10.0,
)
ROWS = (IMAGE, OTHER, GROUP, SEQUENCE, VIDEO)
"""One row of each kind that Encord draws on."""


@dataclass(frozen=True)
class Project:
    """A running project, and the folder that labelferry works in."""

    running: Running
    folder: Path
    vendor: "Sdk"

    @property
    def hash(self) -> str:
        return self.running.address.removeprefix("encord:").partition("?")[0]

    @property
    def address(self) -> str:
        """The address of the project on the command line."""
        return self.running.address

    async def sdk(self, program: str, **task: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
        """Run a program of this folder with the SDK on this project, and return what it says."""
        key = self.running.environment["ENCORD_SSH_KEY_FILE"]
        return await self.vendor.run(program, project=self.hash, url=self.running.url, key_file=key, **task)

    async def seen(self) -> Json:
        """What the SDK sees in the project, by the rows' titles."""
        found: Json = await self.sdk("sdk_describe")
        return found

    async def labelferry(self, *arguments: str | Path, code: int = 0) -> Ended:
        """Run labelferry's command in the project's folder; it must end with this code."""
        ended = await anyio.to_thread.run_sync(
            lambda: labelferry(*arguments, cwd=self.folder, env=self.running.environment)
        )
        assert ended.code == code, ended.text
        return ended

    async def job(self, text: str, *flags: str, name: str = "job") -> Ended:
        """Run a job file whose target is the project of the documentation, on this project."""
        path = self.folder / f"{name}.yaml"
        path.write_text(self.own(text), encoding="utf-8")
        return await self.labelferry("run", path, *flags)

    def own(self, text: str) -> str:
        """Put this project's hash and address in the place of the documentation's project."""
        assert DOCUMENTED in text
        return text.replace(DOCUMENTED, f"project: {self.hash}, url: '{self.running.url}'")

    async def raw(self) -> dict[str, Json]:
        """The label rows as the server keeps them, by title."""
        rows = await self._ask("GET", "/_sandbox/rows")
        return {row["data_title"]: row["label_row"] for row in rows if row["label_row"] is not None}

    async def reset(self) -> None:
        """Take all labels away; rows will have other label hashes."""
        await self._ask("POST", "/_sandbox/reset")

    async def plant(self, change: Callable[[str, Json], None]) -> None:
        """Change label rows where they are kept, past every client; `change` is given title and row."""
        for title, row in (await self.raw()).items():
            change(title, row)
            query = {
                "query_type": "labelrow",
                "query_method": "POST",
                "values": {"uid": row["label_hash"], "payload": row},
            }
            answer = await self._ask("POST", "/public", query)
            assert answer == {"status": 200, "response": True}

    async def log(self) -> Json:
        """What the server was asked for so far, in numbers."""
        found: Json = await self._ask("GET", "/_sandbox/log")
        return found

    async def _ask(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        headers = {"Authorization": f"Bearer {TOKEN}", "ResourceID": self.hash}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.running.url + path, json=content) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()


class Sdk(Session):
    """The SDK in a process of its own, which is started at the first task."""

    def __init__(self) -> None:
        super().__init__("encord")
        self._ontology: Json | None = None

    async def run(self, program: str, **task: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
        """Run a program of this folder, and return what it says."""
        said = await anyio.to_thread.run_sync(self.say, {"program": program, **task})
        assert "error" not in said, said["error"]
        return said["answer"]

    async def ontology(self) -> Json:
        """An ontology that the SDK made, always the same."""
        if self._ontology is None:
            self._ontology = await self.run("sdk_ontology")
        return self._ontology


@asynccontextmanager
async def orchard(
    sdk: Sdk,
    folder: Path,
    rows: Sequence[LabelRow] = ROWS,
    **options: Any,  # noqa: ANN401
) -> AsyncIterator[Project]:
    """Serve a project with these rows and an ontology that the SDK made."""
    editor = await sdk.ontology()
    async with served(sdk, folder, Seed(Ontology(), rows), editor=editor, **options) as project:
        yield project


@asynccontextmanager
async def served(sdk: Sdk, folder: Path, seed: Seed, **options: Any) -> AsyncIterator[Project]:  # noqa: ANN401
    """Serve a project in a process of its own."""
    async with apart(serve, seed, {"keys": str(folder / "keys"), **options}) as server:
        yield Project(server.running, folder, sdk)


def differences(one: Any, other: Any, path: str = "") -> list[str]:  # noqa: ANN401 - any JSON
    """Where two descriptions differ: in anything but a number that is the same within a millionth."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return [f"{path}: keys {sorted(one)} and {sorted(other)}"]
        return [text for key in one for text in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return [f"{path}: {len(one)} and {len(other)} items"]
        pairs = enumerate(zip(one, other, strict=True))
        return [text for at, (a, b) in pairs for text in differences(a, b, f"{path}/{at}")]
    if isinstance(one, float) or isinstance(other, float):
        return [] if abs(one - other) <= 1e-6 else [f"{path}: {one} and {other}"]
    return [] if one == other and type(one) is type(other) else [f"{path}: {one!r} and {other!r}"]
