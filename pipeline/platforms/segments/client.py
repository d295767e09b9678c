"""Segments.ai's API as far as labels need it: builds requests, and sends them through the channel."""

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import msgspec

from pipeline.errors import CredentialsError, TransientError, UsageError
from pipeline.io.multipart import boundary_of, content_type, multipart
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.verdict import (
    beyond_the_end,
    is_unlabelled,
    judge,
    judge_creation,
    judge_label,
    judge_page,
    judge_storage,
)
from pipeline.platforms.segments.wire import Dataset, Json, Label, Sample
from pipeline.ports import Answer, Assets, Channel, Limits, Request, Verdict

LIMITS = Limits(
    max_rows=100,
    max_bytes=32 * 1024 * 1024,
    open_rows=100,
    rows_ahead=300,
    bundles_at_once=4,
    rate_ceiling=200.0,
    concurrency_ceiling=32,
    address="`url`",
)
"""The service tells no limit of its own; a label is one request, so a bundle is many of them in flight."""

GZIP_FROM = 4096
"""Bytes from which a body is compressed: below, it costs more than it saves."""
_LEVEL = 1  # three times the size of the best level's gain, for a fortieth of its time

Value = TypeVar("Value")


class User(msgspec.Struct):
    """Whose key it is."""

    username: str = ""


class Form(msgspec.Struct, rename="camel"):
    """Where and with which fields a file is posted; the fields keep their order."""

    url: str
    fields: dict[str, str]


class Asset(msgspec.Struct):
    """A file that was announced: its address, and how to bring it there."""

    url: str
    form: Form = msgspec.field(name="presignedPostFields")


class Release(msgspec.Struct):
    """A frozen copy of a dataset. `attributes.url` is that of its file, once `status` is SUCCEEDED."""

    name: str = ""
    status: str = ""
    attributes: Json | None = None


class Client:
    """One dataset of Segments.ai. Every method raises what the channel raises."""

    def __init__(self, channel: Channel, assets: Assets, settings: Settings, key: str) -> None:
        self._channel = channel
        self._assets = assets
        self._base = settings.url
        self._dataset = settings.dataset
        self._labelset = settings.labelset
        self._headers = {"Authorization": f"APIKey {key}", "Accept": "application/json"}

    # ---- the dataset -----------------------------------------------------------------------------------

    async def dataset(self, tries: int | None = None) -> Dataset:
        """Return the dataset. One that does not exist is a UsageError."""
        with _named(f"dataset {self._dataset}"):
            return await self._get("datasets", self._path(), Dataset, tries)

    async def create_dataset(self, body: Json) -> None:
        """Create the dataset under its owner, who is the key's user or an organisation."""
        user = await self._get("user", "/user", User)
        owner = self._dataset.partition("/")[0]
        where = (
            "/user/datasets/"
            if owner == user.username
            else f"/organizations/{quote(owner, safe='')}/datasets/"
        )
        await self._post("datasets.POST", where, body, judge_creation)

    async def create_labelset(self) -> None:
        """Create the labelset; one that is there is good."""
        body = {"name": self._labelset, "description": "", "attributes": "{}"}
        await self._post("labelsets.POST", self._path("labelsets"), body, judge_creation)

    async def release(self, name: str) -> Release:
        """Return a release. One that does not exist is a UsageError."""
        with _named(f"release {name!r} of {self._dataset}"):
            return await self._get("releases", self._path("releases", name), Release)

    # ---- samples ---------------------------------------------------------------------------------------

    async def page(
        self, number: int, size: int, *, labels: bool = True, tries: int | None = None
    ) -> list[msgspec.Raw]:
        """Return a page of the listing, numbered from 1; beyond the end it is empty.

        `labels`: with the whole label of each sample in the labelset, which must exist.
        """
        path = f"{self._path('samples')}?per_page={size}&page={number}&sort=name"
        if labels:
            path += f"&labelset={quote(self._labelset, safe='')}&include_full_label=1"
        build = partial(self._request, "GET", path)
        answer = await self._channel.send("samples.GET", build, judge_page, tries=tries)
        return [] if beyond_the_end(answer) else _decode(answer.body, list[msgspec.Raw])

    async def newest(self, count: int) -> dict[str, bool]:
        """Return whether each of the samples that came last is labelled in the labelset, by uuid."""
        labelset = quote(self._labelset, safe="")
        path = f"{self._path('samples')}?per_page={count}&page=1&sort=-created_at&labelset={labelset}"
        answer = await self._channel.send("samples.GET", partial(self._request, "GET", path), judge_page)
        found = [] if beyond_the_end(answer) else _decode(answer.body, list[Sample])
        return {sample.uuid: sample.label is not None for sample in found}

    async def add_samples(self, samples: Sequence[Json]) -> list[Sample]:
        """Create samples; those whose names are there come back as they are. Safe to repeat."""
        answer = await self._post("samples_bulk.POST", self._path("samples_bulk"), samples, judge)
        return _decode(answer.body, list[Sample])

    # ---- labels and files ------------------------------------------------------------------------------

    async def label(self, sample: str) -> Label | None:
        """Return the label of a sample that exists, or None where it has none in the labelset."""
        build = partial(self._request, "GET", self._label(sample))
        answer = await self._channel.send("labels.GET", build, judge_label)
        return None if is_unlabelled(answer) else _decode(answer.body, Label)

    async def put_label(self, sample: str, payload: bytes, tries: int | None = None) -> None:
        """Create or replace the label of a sample. Raises BundleRefused that names the sample."""
        body, headers = _compressed(payload)
        build = partial(self._request, "PUT", self._label(sample), body, headers)
        await self._channel.send("labels.PUT", build, partial(judge, row=sample), tries=tries)

    def _label(self, sample: str) -> str:
        return f"/labels/{quote(sample, safe='')}/{quote(self._labelset, safe='')}/"

    async def upload(self, data: bytes, filename: str, tries: int | None = None) -> str:
        """Bring a file to the service's storage, and return its address.

        A file that may or may not have arrived is announced anew: permission to post it is given once.
        """
        asset = await self._announce(filename, tries)

        def build() -> Request:
            fields = tuple(asset.form.fields.items())
            boundary = boundary_of(fields, data)
            headers = {"Content-Type": content_type(boundary)}
            return Request("POST", asset.form.url, headers, multipart(fields, data, boundary))

        async def again() -> Answer | None:
            nonlocal asset
            asset = await self._announce(filename, tries)
            return None

        door = self._assets.channel(asset.form.url)
        await door.send("storage.POST", build, judge_storage, settle=again, tries=tries)
        return asset.url

    async def _announce(self, filename: str, tries: int | None) -> Asset:
        answer = await self._post("assets.POST", "/assets/", {"filename": filename}, judge, tries)
        return _decode(answer.body, Asset)

    # ---- requests --------------------------------------------------------------------------------------

    def _path(self, *parts: str) -> str:
        whole = [quote(part, safe="") for part in (*self._dataset.split("/"), *parts)]
        return f"/datasets/{'/'.join(whole)}/"

    async def _get(self, kind: str, path: str, form: type[Value], tries: int | None = None) -> Value:
        build = partial(self._request, "GET", path)
        answer = await self._channel.send(f"{kind}.GET", build, judge, tries=tries)
        return _decode(answer.body, form)

    async def _post(
        self,
        kind: str,
        path: str,
        content: Json | Sequence[Json],
        judge_answer: Callable[[Answer], Verdict],
        tries: int | None = None,
    ) -> Answer:
        body, headers = _compressed(msgspec.json.encode(content))
        build = partial(self._request, "POST", path, body, headers)
        return await self._channel.send(kind, build, judge_answer, tries=tries)

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Request:
        return Request(method, self._base + path, {**self._headers, **(headers or {})}, body)


def api_key(settings: Settings, environment: Mapping[str, str]) -> str:
    """Return the API key of the settings or the environment. Raises CredentialsError."""
    given = (
        settings.api_key.get_secret_value() if settings.api_key else environment.get("SEGMENTS_API_KEY", "")
    )
    if not given.strip():
        raise CredentialsError(
            "no API key for Segments.ai; set SEGMENTS_API_KEY, or `api_key` in the job file"
        )
    return given.strip()


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Say what was not there."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from error


def _compressed(body: bytes) -> tuple[bytes, dict[str, str]]:
    headers = {"Content-Type": "application/json"}
    if len(body) < GZIP_FROM:
        return body, headers
    return gzip.compress(body, _LEVEL, mtime=0), {**headers, "Content-Encoding": "gzip"}


def _decode(body: bytes, form: type[Value]) -> Value:
    """Decode an answer that was judged good. One that does not hold what it should is worth no retry."""
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, ValueError) as error:
        text = f"an answer of Segments.ai is not as expected: {error}; is it Segments.ai? check `url`"
        raise TransientError(text, unknown=True) from error
