"""Supervisely's API as far as labels need it: builds requests, and sends them through the channel.

Every call is a POST to `/public/api/v3/METHOD`; requests are named by their method in events and faults.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import msgspec

from pipeline.errors import CredentialsError, TransientError, UsageError
from pipeline.platforms.supervisely.forms import Part, form, parts_of
from pipeline.platforms.supervisely.settings import Settings
from pipeline.platforms.supervisely.verdict import ADDRESS, judge, judge_file
from pipeline.platforms.supervisely.wire import Json
from pipeline.ports import Answer, Channel, Limits, Request

LIMITS = Limits(
    max_rows=500,
    max_bytes=16 * 1024 * 1024,
    open_rows=500,
    rows_ahead=2000,
    bundles_at_once=4,
    rate_ceiling=100.0,
    concurrency_ceiling=10,
    address=ADDRESS,
)
"""The service tells no limit of its own. A bundle is several requests; as many at once as its SDK has."""

AT_ONCE = 50
"""Images of one request, whatever it asks or brings; the service takes up to 100."""
PAGE = 500
"""Images of a page: what the service gives where it is not told."""
HASHES_AT_ONCE = 900
FIGURES_AT_ONCE = 100
PROJECT_FIELDS = ("id", "title", "type", "workspaceId", "customData")

_JSON = "application/json"

Value = TypeVar("Value")
Settle = Callable[[], Awaitable[Answer | None]]
"""Finds out, before a repeat, what became of an attempt that may have been carried out."""


class ProjectInfo(msgspec.Struct, rename="camel"):
    """What is needed of a project."""

    id: int
    name: str = ""
    title: str = ""
    type: str | None = None
    workspace_id: int | None = None
    images_count: int | str | None = None
    custom_data: Json | None = None

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or self.title


class DatasetInfo(msgspec.Struct, rename="camel"):
    """What is needed of a dataset; `parent_id` is that of the one it is nested in."""

    id: int
    name: str = ""
    parent_id: int | None = None
    images_count: int | str | None = None


class Page(msgspec.Struct, rename="camel"):
    """One page of a list; pages count from 1."""

    total: int = 0
    per_page: int = 0
    pages_count: int = 1
    entities: list[msgspec.Raw] = []


class Annotated(msgspec.Struct, rename="camel"):
    """The annotation of an image."""

    image_id: int
    annotation: Json


class Uploaded(msgspec.Struct):
    """What became of one file."""

    hash: str | None = None
    errors: msgspec.Raw = msgspec.Raw(b"null")


class Added(msgspec.Struct):
    """A figure that was made."""

    id: int


class Client:
    """One server. Every method raises what the channel raises."""

    def __init__(self, channel: Channel, settings: Settings, token: str) -> None:
        self._channel = channel
        self._base = f"{settings.url}/public/api/v3/"
        self._headers = {"x-api-key": token, "Accept": "*/*"}

    # ---- projects and datasets -------------------------------------------------------------------------

    async def project(self, project: int, tries: int | None = None) -> ProjectInfo:
        """Return a project. One that does not exist is a UsageError."""
        with _named(f"project {project}"):
            answer = await self._ask("projects.info", {"id": project}, tries=tries)
        return _decode(answer.body, ProjectInfo)

    async def projects(self, workspace: int) -> list[ProjectInfo]:
        """Return all projects of a workspace, with their custom data."""
        body = {"workspaceId": workspace, "filter": [], "fields": list(PROJECT_FIELDS)}
        with _named(f"workspace {workspace}"):
            return [_decode(raw, ProjectInfo) async for raw in self._all("projects.list", body)]

    async def create_project(self, body: Json, settle: Settle) -> ProjectInfo:
        """Create a project. Not idempotent. Raises BundleRefused where its name is taken."""
        answer = await self._ask("projects.add", body, rows={}, settle=settle)
        return _decode(answer.body, ProjectInfo)

    async def meta(self, project: int) -> Json:
        """Return the classes and tags of a project, with their ids."""
        return _decode((await self._ask("projects.meta", {"id": project})).body, Json)

    async def update_meta(self, project: int, meta: Json) -> None:
        """Replace the classes and tags of a project by these, which hold those that were there."""
        await self._ask("projects.meta.update", {"id": project, "meta": meta}, rows={})

    async def datasets(self, project: int) -> list[DatasetInfo]:
        """Return all datasets of a project, nested ones included."""
        body = {"projectId": project, "filter": [], "recursive": True}
        return [_decode(raw, DatasetInfo) async for raw in self._all("datasets.list", body)]

    async def create_dataset(
        self, project: int, name: str, parent: int | None, settle: Settle
    ) -> DatasetInfo:
        """Create a dataset. Not idempotent. Raises BundleRefused where its name is taken."""
        body = {"projectId": project, "name": name, "description": "", "parentId": parent}
        answer = await self._ask("datasets.add", body, rows={}, settle=settle)
        return _decode(answer.body, DatasetInfo)

    # ---- images ----------------------------------------------------------------------------------------

    async def images(self, dataset: int, page: int, size: int) -> Page:
        """Return one page of the images of a dataset, in the order of their ids."""
        return await self._images({"datasetId": dataset}, page, size)

    async def images_of_project(self, project: int, size: int, tries: int | None = None) -> Page:
        """Return the first page of the images of all datasets of a project, in the order of their ids."""
        return await self._images({"projectId": project, "recursive": True}, 1, size, tries)

    async def _images(self, place: Json, page: int, size: int, tries: int | None = None) -> Page:
        body = {**place, "filter": [], "sort": "id", "sort_order": "asc"}
        body |= {"page": page, "per_page": size, "forceMetadataForLinks": True}
        return _decode((await self._ask("images.list", body, tries=tries)).body, Page)

    async def images_named(self, dataset: int, names: Sequence[str]) -> dict[str, Json]:
        """Return those images of a dataset that have one of these names, by name."""
        found: dict[str, Json] = {}
        for start in range(0, len(names), AT_ONCE):
            some = list(names[start : start + AT_ONCE])
            condition = {"field": "name", "operator": "in", "value": some}
            body = {"datasetId": dataset, "filter": [condition], "forceMetadataForLinks": True}
            async for raw in self._all("images.list", body):
                info = _decode(raw, Json)
                found[str(info.get("name") or info.get("title"))] = info
        return found

    async def known_hashes(self, hashes: Sequence[str]) -> set[str]:
        """Return those hashes whose files the server has."""
        known: set[str] = set()
        for start in range(0, len(hashes), HASHES_AT_ONCE):
            body = list(hashes[start : start + HASHES_AT_ONCE])
            answer = await self._ask("images.internal.hashes.list", body)
            known.update(_decode(answer.body, list[str]))
        return known

    async def upload(self, files: Sequence[bytes]) -> list[Uploaded]:
        """Bring files to the server's storage; what became of each, in order. Safe to repeat."""
        body, kind = form([Part(f"{n}-file", data, str(n), "image/*") for n, data in enumerate(files)])
        answer = await self._send("images.bulk.upload", lambda: (body, kind), rows={})
        found = _decode(answer.body, list[Uploaded])
        if len(found) != len(files):
            text = f"Supervisely told of {len(found)} files, though it was sent {len(files)}"
            raise TransientError(text, unknown=True)
        return found

    async def add_images(
        self, dataset: int, images: Callable[[], Sequence[Json]], settle: Settle
    ) -> list[Json]:
        """Create images from what is stored or linked; `images` gives those that are left at each attempt.

        Not idempotent. Raises BundleRefused, with the names that the answer names.
        """

        def build() -> tuple[bytes, str]:
            wanted = list(images())
            body = {
                "datasetId": dataset,
                "images": wanted,
                "forceMetadataForLinks": True,
                "skipValidation": False,
            }
            return msgspec.json.encode(body), _JSON

        names = {str(image["title"]): str(image["title"]) for image in images()}
        answer = await self._send("images.bulk.add", build, rows=names, settle=settle)
        return _decode(answer.body, list[Json])

    async def download(self, image: int, most: int) -> Answer:
        """Return the first `most` bytes of an image's file, or all where it has fewer."""
        body = msgspec.json.encode({"id": image})

        def build() -> Request:
            return self._request("images.download", body, _JSON, {"Range": f"bytes=0-{most - 1}"})

        return await self._channel.send("images.download", build, judge_file)

    # ---- annotations -----------------------------------------------------------------------------------

    async def annotations(
        self, dataset: int, images: Sequence[int], tries: int | None = None
    ) -> tuple[dict[int, Json], int]:
        """Return the annotations of images of one dataset, by image, and the bytes that they took.

        Some may be missing. Coordinates come as they are kept, with their fractions.
        """
        body = {"datasetId": dataset, "imageIds": list(images), "withCustomBigData": True}
        body |= {"forceMetadataForLinks": True, "integerCoords": False}
        answer = await self._ask("annotations.bulk.info", body, tries=tries)
        found = _decode(answer.body, list[Annotated])
        return {item.image_id: item.annotation for item in found}, len(answer.body)

    async def geometries(self, figures: Sequence[int]) -> dict[int, Json]:
        """Return the geometries of figures that are kept apart from them, by figure. Some may be missing."""
        answer = await self._ask("figures.bulk.download.geometry", {"ids": list(figures)}, rows={})
        try:
            parts = list(parts_of(answer.headers, answer.body))
            return {int(name): msgspec.json.decode(data, type=Json) for name, data in parts}
        except ValueError as error:
            raise _unexpected(error) from error

    async def put_annotations(
        self, body: Callable[[], bytes], rows: Mapping[str, str], tries: int | None = None
    ) -> None:
        """Replace annotations of images of one dataset; `rows` are their target ids by id and name.

        `body` is built for each attempt and not kept, so that a bundle in back-off holds its rows once.
        """
        await self._send("annotations.bulk.add", lambda: (body(), _JSON), rows=rows, tries=tries)

    async def add_figures(
        self,
        dataset: int,
        figures: Callable[[], Sequence[Json]],
        rows: Mapping[str, str],
        settle: Settle,
        tries: int | None = None,
    ) -> list[int]:
        """Add figures to images of one dataset, and return their ids in order. Not idempotent."""

        def build() -> tuple[bytes, str]:
            body = {"datasetId": dataset, "figures": list(figures()), "skipBoundsValidation": False}
            return msgspec.json.encode(body), _JSON

        answer = await self._send("figures.bulk.add", build, rows=rows, settle=settle, tries=tries)
        return [item.id for item in _decode(answer.body, list[Added])]

    async def put_geometries(
        self, geometries: Mapping[int, Json], rows: Mapping[str, str], tries: int | None = None
    ) -> None:
        """Bring the geometries of figures that are kept apart from them. Safe to repeat."""
        parts = [
            part
            for figure, geometry in geometries.items()
            for part in (
                Part("figureId", str(figure).encode()),
                Part("geometry", msgspec.json.encode(geometry), str(figure), "application/octet-stream"),
            )
        ]
        body, kind = form(parts)
        await self._send("figures.bulk.upload.geometry", lambda: (body, kind), rows=rows, tries=tries)

    # ---- requests --------------------------------------------------------------------------------------

    async def _all(self, method: str, body: Json) -> AsyncIterator[msgspec.Raw]:
        """Give all entities of a list, page after page."""
        page, pages = 1, 1
        while page <= pages:
            answer = await self._ask(method, {**body, "page": page} if page > 1 else body)
            found = _decode(answer.body, Page)
            for entity in found.entities:
                yield entity
            page, pages = page + 1, found.pages_count

    async def _ask(
        self,
        method: str,
        body: Json | list[str],
        *,
        rows: Mapping[str, str] | None = None,
        settle: Settle | None = None,
        tries: int | None = None,
    ) -> Answer:
        data = msgspec.json.encode(body)
        return await self._send(method, lambda: (data, _JSON), rows=rows, settle=settle, tries=tries)

    async def _send(
        self,
        method: str,
        body: Callable[[], tuple[bytes, str]],
        *,
        rows: Mapping[str, str] | None = None,
        settle: Settle | None = None,
        tries: int | None = None,
    ) -> Answer:
        def build() -> Request:
            return self._request(method, *body())

        return await self._channel.send(method, build, partial(judge, rows=rows), settle=settle, tries=tries)

    def _request(self, method: str, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> Request:
        headers = {**self._headers, "Content-Type": kind, **(more or {})}
        return Request("POST", self._base + method, headers, body)


def api_token(settings: Settings, environment: Mapping[str, str]) -> str:
    """Return the API token of the settings or the environment. Raises CredentialsError."""
    given = settings.api_token.get_secret_value() if settings.api_token else environment.get("API_TOKEN", "")
    if not given.strip():
        raise CredentialsError("no API token for Supervisely; set API_TOKEN, or `api_token` in the job file")
    return given.strip()


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Say what was not there."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"there is no {what}, or the token may not see it: {error}") from error


def _decode(body: bytes | msgspec.Raw, form: type[Value]) -> Value:
    """Decode an answer that was judged good. One that does not hold what it should is worth no retry."""
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, ValueError) as error:
        raise _unexpected(error) from error


def _unexpected(error: Exception) -> TransientError:
    text = f"an answer of Supervisely is not as expected: {error}; is it Supervisely? check {ADDRESS}"
    return TransientError(text, unknown=True)
