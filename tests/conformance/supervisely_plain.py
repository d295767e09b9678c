"""A running stand-in of Supervisely, and a plain client that knows nothing of labelferry's own."""

import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from pipeline.core.labels import LabelRow, Media
from pipeline.core.ontology import Ontology
from pipeline.platforms.supervisely.stand_in import serve
from pipeline.ports import Running, Seed

Json = dict[str, Any]

WIDTH, HEIGHT = 64, 48
IMAGES = [
    LabelRow(
        key=str(n), title=f"image-{n}.png", media=(Media(width=WIDTH, height=HEIGHT),), metadata={"n": n}
    )
    for n in range(4)
]
META: Json = {
    "classes": [
        {"title": "car", "shape": "rectangle"},
        {"title": "mask", "shape": "bitmap"},
        {"title": "soft", "shape": "alpha_mask"},
        {"title": "parts", "shape": "multipolygon"},
        {
            "title": "pose",
            "shape": "graph",
            "geometry_config": {"nodes": {"nose": {"loc": [1, 2]}}, "edges": []},
        },
        {"title": "thing", "shape": "any"},
    ],
    "tags": [
        {"name": "seen", "value_type": "none"},
        {"name": "colour", "value_type": "oneof_string", "values": ["red", "blue"]},
        {"name": "speed", "value_type": "any_number", "applicable_type": "objectsOnly", "classes": ["car"]},
        {"name": "word", "value_type": "any_string"},
        {"name": "day", "value_type": "date", "applicable_type": "imagesOnly"},
    ],
}


@dataclass
class Client:
    """A plain client of a running stand-in."""

    running: Running
    session: aiohttp.ClientSession
    project: int = 0
    dataset: int = 0
    images: dict[str, int] = field(default_factory=dict)

    async def ask(
        self,
        method: str,
        body: Any = None,  # noqa: ANN401 - bytes or a form as they are, anything else as JSON
        *,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        token = self.running.environment["API_TOKEN"]
        plain = isinstance(body, bytes | aiohttp.FormData)
        data = body if plain else json.dumps({} if body is None else body).encode()
        url = f"{self.running.url}/public/api/v3/{method}"
        sent = {"x-api-key": token, **(headers or {})}
        async with self.session.post(url, data=data, headers=sent) as answer:
            return answer.status, await answer.read(), answer.headers

    async def call(self, method: str, **body: Any) -> Any:  # noqa: ANN401 - JSON
        status, answer, _ = await self.ask(method, body)
        assert status == 200, answer
        return json.loads(answer)

    async def refused(self, method: str, **body: Any) -> tuple[int, Any]:  # noqa: ANN401 - JSON
        status, answer, _ = await self.ask(method, body)
        assert status >= 400, answer
        found = json.loads(answer)
        assert isinstance(found["error"], str)
        return status, found["details"]

    async def control(self, path: str, body: Any = None) -> Any:  # noqa: ANN401 - JSON
        url = f"{URL(self.running.url).origin()}/_sandbox/{path}"
        send = self.session.get(url) if body is None else self.session.post(url, json=body)
        async with send as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def save(self, image: int, *labels: Json, **more: Any) -> Any:  # noqa: ANN401 - JSON
        """Write the annotation of an image."""
        sent = [{"imageId": image, "annotation": {"objects": labels, **more}}]
        return await self.call("annotations.bulk.add", datasetId=self.dataset, annotations=sent)

    async def read(self, image: int, **how: Any) -> Json:  # noqa: ANN401 - JSON
        """Read the annotation of an image as it is on the wire."""
        given = {"integerCoords": False, "withCustomBigData": True, **how}
        found: Json = (await self.call("annotations.info", imageId=image, **given))["annotation"]
        return found

    async def upload(self, *files: bytes) -> list[Json]:
        """Send files in one request."""
        form = aiohttp.FormData()
        for number, data in enumerate(files):
            form.add_field(f"{number}-file", data, filename=str(number), content_type="image/*")
        status, answer, _ = await self.ask("images.bulk.upload", form)
        assert status == 200, answer
        found: list[Json] = json.loads(answer)
        return found


@asynccontextmanager
async def served(rows: Sequence[LabelRow] = IMAGES, **options: Any) -> AsyncIterator[Client]:  # noqa: ANN401
    async with (
        serve(Seed(Ontology(), rows), {"meta": META, **options}) as running,
        aiohttp.ClientSession() as session,
    ):
        yield await connected(running, session)


async def connected(running: Running, session: aiohttp.ClientSession) -> Client:
    client = Client(running, session)
    for row in await client.control("rows"):
        if row["dataset"] == "dataset":
            client.images[row["name"]] = row["id"]
    place, _, _ = running.address.removeprefix("supervisely:").partition("/")
    client.project = int(place)
    listed = await client.call("datasets.list", projectId=client.project)
    client.dataset = listed["entities"][0]["id"]
    return client


def box(left: float = 1, top: float = 2, right: float = 3.5, bottom: float = 4, **more: Any) -> Json:  # noqa: ANN401
    """A label of a car."""
    points = {"exterior": [[left, top], [right, bottom]], "interior": []}
    return {"classTitle": "car", "geometryType": "rectangle", "points": points, **more}


def bitmap(x: int = 0, y: int = 0, width: int = 8, height: int = 8) -> Json:
    """A crop of this size as it travels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\x00" + b"\xff" * width) * height)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(packed)
    return {"origin": [x, y], "data": base64.b64encode(zlib.compress(png)).decode()}


def parts_of(answer: bytes, headers: Mapping[str, str]) -> dict[str, bytes]:
    """Take a multipart reply apart: bytes by name, in the order they came."""
    boundary = headers["Content-Type"].partition("boundary=")[2].encode()
    found: dict[str, bytes] = {}
    for part in answer.split(b"--" + boundary)[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = head.partition(b' name="')[2].partition(b'"')[0].decode()
        found[name] = data.removesuffix(b"\r\n")
    return found
