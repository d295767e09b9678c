"""The bytes of images: known by their hash, uploaded once, and downloaded whole, in parts or many at once."""

import base64
import hashlib
import random
from collections.abc import Iterable

import msgspec
from aiohttp import web

from pipeline.core.headers import image_size
from pipeline.platforms.supervisely.stand_in.answers import (
    Json,
    Methods,
    Refused,
    decoded,
    invalid,
    json_value,
)
from pipeline.platforms.supervisely.stand_in.multipart import parse_parts, parts_answer
from pipeline.platforms.supervisely.stand_in.world import Image, World
from pipeline.sandbox import Sandbox
from pipeline.sandbox.pictures import DEFAULT_SIZE, black_png

STORAGE = "/sandbox-public/images/original/"
"""Where pictures can be had without a token, as the addresses that the service tells have it."""
CHECKSUM = "x-content-checksum-sha256"
_KINDS = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"RIFF", "image/webp"),
)

Known = tuple[str, int, int, int]
"""The type of a picture, its bytes, width and height."""


class Key(msgspec.Struct):
    """The body of `images.download`."""

    id: int


class Many(msgspec.Struct, rename="camel"):
    """The body of `images.bulk.download`."""

    dataset_id: int
    image_ids: list[int]


class Hashes(msgspec.Struct):
    """The body of `images.bulk.download-by-hash`."""

    hashes: list[str]


class Files:
    """Answers requests about bytes. `link_sizes` are widths and heights of pictures behind links."""

    def __init__(
        self, world: World, sandbox: Sandbox, link_sizes: dict[str, tuple[int, int]], *, shuffled: bool
    ) -> None:
        self.origin = ""
        self._world = world
        self._sandbox = sandbox
        self._link_sizes = link_sizes
        self._known: dict[str, Known] = {}
        self._random = random.Random(0) if shuffled else None  # noqa: S311 - an order, no secret

    def methods(self) -> Methods:
        """Return what the service answers."""
        yield "images.internal.hashes.list", self.list_hashes
        yield "images.bulk.upload", self.upload
        yield "images.download", self.download
        yield "images.bulk.download", self.bulk_download
        yield "images.bulk.download-by-hash", self.download_by_hash

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of the storage."""
        return (web.get(STORAGE + "{image}/{name}", self._give),)

    # ---- what is known of a picture ---------------------------------------------------------------------

    def known(self, digest: str) -> Known | None:
        """Return what the server knows of a hash, or None where it has not got its bytes."""
        if digest not in self._world.drawn and digest not in self._world.files:
            return None
        found = self._known.get(digest)
        if found is None:
            found = self._known[digest] = measured(self._world.content(digest))
        return found

    def draw(self, height: int, width: int) -> str:
        """Promise a black picture, and return its hash."""
        digest = hash_of(black_png(height, width))
        self._world.drawn[digest] = height, width
        return digest

    def measure(self, image: Image) -> None:
        """Find out the size of a linked picture. It is told, not fetched: the server has no way out."""
        if image.link is None or image.width is not None:
            return
        image.width, image.height = self._link_sizes.get(image.link, DEFAULT_SIZE[::-1])
        image.mime = "image/jpeg" if image.link.endswith((".jpg", ".jpeg")) else "image/png"

    def path(self, image: Image) -> str:
        """Return where an image can be had without a token."""
        kind = (image.mime or "image/png").rpartition("/")[2]
        return f"{STORAGE}{image.id}/image.{kind}"

    # ---- uploads ----------------------------------------------------------------------------------------

    def list_hashes(self, _: web.Request, body: bytes) -> web.Response:
        """Return those of a bare array of hashes that are known."""
        return json_value([one for one in decoded(body, list[str]) if self.known(one) is not None])

    def upload(self, request: web.Request, body: bytes) -> web.Response:
        """Take files in, and tell of each its hash, or what is wrong with it."""
        told: list[Json] = []
        rows: list[tuple[str, str, str, int]] = []
        for part in parse_parts(request.headers.get("Content-Type", ""), body):
            try:
                found = measured(part.data)
            except Refused as error:
                told.append({"errors": [{"message": error.error, "name": part.name}]})
                continue
            digest = hash_of(part.data)
            self._world.store(digest, part.data)
            self._known[digest] = found
            mime, size, width, height = found
            told.append({"hash": digest, "mime": mime, "size": size, "width": width, "height": height})
            rows.append((digest, part.name, digest, 0))
        self._sandbox.written(request, "upload", rows)
        return json_value(told)

    # ---- downloads --------------------------------------------------------------------------------------

    def download(self, request: web.Request, body: bytes) -> web.Response:
        """Hand a picture out, or a range of its bytes."""
        return self._given(request, self._world.image(decoded(body, Key).id))

    def bulk_download(self, _: web.Request, body: bytes) -> web.Response:
        """Hand out pictures of one dataset, each in a part that is named by its id."""
        asked = decoded(body, Many)
        images = self._world.dataset(asked.dataset_id).images
        found = [images[key] for key in asked.image_ids if key in images]
        return self._parts((image.id, self._world.picture(image)) for image in found)

    def download_by_hash(self, _: web.Request, body: bytes) -> web.Response:
        """Hand out pictures, each in a part that is named by the position of its hash."""
        hashes = decoded(body, Hashes).hashes
        return self._parts((at, self._world.content(one)) for at, one in enumerate(hashes))

    def _parts(self, found: Iterable[tuple[int, bytes]]) -> web.Response:
        parts = [
            (key, data, f"Content-Type: image/*\r\n{CHECKSUM}: {hash_of(data)}\r\n") for key, data in found
        ]
        if self._random is not None:
            self._random.shuffle(parts)
        return parts_answer(parts)

    async def _give(self, request: web.Request) -> web.Response:
        key = request.match_info["image"]
        image = self._world.images.get(int(key)) if key.isdecimal() else None
        return web.Response(status=404) if image is None else self._given(request, image)

    def _given(self, request: web.Request, image: Image) -> web.Response:
        data = self._world.picture(image)
        kind = image.mime or "image/png"
        headers = {CHECKSUM: hash_of(data), "Accept-Ranges": "bytes"}
        try:
            wanted = request.http_range
        except ValueError:
            wanted = slice(None)
        if wanted.start is None and wanted.stop is None:
            return web.Response(body=data, content_type=kind, headers=headers)
        first, end, _step = wanted.indices(len(data))
        if first >= len(data):
            raise Refused(416, "Range Not Satisfiable")
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(data)}"
        return web.Response(body=data[first:end], status=206, content_type=kind, headers=headers)


def hash_of(data: bytes) -> str:
    """Return the hash of bytes: base64 of their SHA-256."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def measured(data: bytes) -> Known:
    """Return what is known of a picture.

    Raises:
        Refused: it is none.
    """
    size = image_size(data)
    kind = next((kind for mark, kind in _KINDS if data.startswith(mark)), None)
    if size is None or kind is None:
        raise invalid("Unsupported image format")
    return kind, len(data), *size
