"""A running stand-in of Segments.ai, and a plain client that knows nothing of labelferry's own."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.platforms.segments.stand_in import serve
from pipeline.ports import Running, Seed

IMAGES = [
    LabelRow(
        key=str(n), title=f"image-{n}.png", media=(Media(width=64 + n, height=48),), metadata={"n": n % 2}
    )
    for n in range(5)
]
BOX = {"id": 1, "category_id": 1, "type": "bbox", "points": [[1, 2], [3.50, 4e0]]}


@dataclass
class Client:
    """A plain client of a running stand-in."""

    running: Running
    session: aiohttp.ClientSession

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 - bytes as they are, anything else as JSON
        *,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        key = self.running.environment["SEGMENTS_API_KEY"]
        sent = {"Authorization": f"APIKey {key}", "Content-Type": "application/json"}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        url = path if path.startswith("http") else self.running.url + path
        async with self.session.request(
            method, url, data=data, headers=sent if headers is None else headers
        ) as answer:
            return answer.status, await answer.read(), answer.headers

    async def json(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401 - JSON
        status, answer, _ = await self.ask(method, path, body)
        assert status < 300, answer
        return json.loads(answer)

    async def uuids(self) -> list[str]:
        return [one["uuid"] for one in await self.json("GET", "/datasets/sandbox/dataset/samples/")]

    async def announce(self) -> Any:  # noqa: ANN401 - JSON
        return await self.json("POST", "/assets/", {"filename": "label.png"})

    async def upload(
        self,
        asset: Any,  # noqa: ANN401 - JSON
        data: bytes = b"bytes",
        **changes: Any,  # noqa: ANN401 - JSON
    ) -> tuple[int, str]:
        form = aiohttp.FormData()
        for name, value in {**asset["presignedPostFields"]["fields"], **changes}.items():
            if value is not None:
                form.add_field(name, value)
        form.add_field("file", data, filename="file")
        async with self.session.post(asset["presignedPostFields"]["url"], data=form) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def served(
    shape: Shape = Shape.BOX,
    rows: Sequence[LabelRow] = IMAGES,
    **options: Any,  # noqa: ANN401
) -> AsyncIterator[Client]:
    seed = Seed(Ontology((ClassDef("car", shape),)), rows)
    async with serve(seed, options) as running, aiohttp.ClientSession() as session:
        yield Client(running, session)


def label(*annotations: Mapping[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"label_status": "LABELED", "attributes": {"annotations": annotations, **more}}


def place(uuid: str, labelset: str = "ground-truth") -> str:
    return f"/labels/{uuid}/{labelset}/"
