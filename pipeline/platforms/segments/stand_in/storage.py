"""The storage behind the service: announced files, the form that brings them in, and all downloads.

Nothing here takes a key: a request that carries one is refused and logged, as a key that went astray.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import web

from pipeline.platforms.segments.stand_in.answers import (
    Denied,
    Paths,
    Refused,
    decoded,
    denial,
    json_bytes,
    now,
    xml,
)
from pipeline.platforms.segments.stand_in.forms import parse_form
from pipeline.sandbox import Sandbox

ROOT = "/storage/"
BUCKET = "segmentsai-sandbox"
_SUFFIXES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".json": "application/json",
}


class _Asked(msgspec.Struct):
    filename: str


@dataclass(slots=True)
class Asset:
    """A file that was announced. `digest` names its bytes once they have landed."""

    uuid: str
    filename: str
    fields: dict[bytes, bytes]
    until: float
    digest: str | None = None


class Storage:
    """All files, by the path of their URL. Equal bytes are kept once.

    `made` answers for paths of files that are made when they are asked for, or gives None. `changed` is told
    of each asset that was announced or has landed.
    """

    def __init__(
        self,
        user: str,
        sandbox: Sandbox,
        *,
        token: bool,
        created: bool,
        seconds: float,
        largest: int,
    ) -> None:
        self.origin = ""
        self.assets: dict[str, Asset] = {}
        self.bytes: dict[str, bytes] = {}
        self.made: Callable[[str], tuple[bytes, str] | None] = _nothing
        self.changed: Callable[[str, Asset], None] | None = None
        self._user = user
        self._sandbox = sandbox
        self._token = token
        self._created = created
        self._seconds = seconds
        self._largest = largest

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of the storage. It is another host in truth, so no prefix is before them."""
        return (
            web.post(ROOT, self._guarded(self.receive)),
            web.get(ROOT + "{path:.+}", self._guarded(self.give)),
        )

    # ---- the service's side ------------------------------------------------------------------------------

    def paths(self) -> Paths:
        """Return what the service answers."""
        yield "POST", "/assets/", self.announce

    def announce(self, _: web.Request, body: bytes) -> web.Response:
        """Answer the first step of an upload: where the file will be, and the form that brings it there."""
        asked = decoded(body, _Asked)
        uuid = str(uuid4())
        suffix = "." + asked.filename.rpartition(".")[2] if "." in asked.filename else ""
        key = f"assets/{self._user}/{uuid}{suffix}"
        fields = self._fields(key, _SUFFIXES.get(suffix.lower(), "application/octet-stream"))
        encoded = {name.encode(): value.encode() for name, value in fields.items()}
        self.put_back(ROOT + key, uuid, asked.filename, encoded)
        answer = {
            "uuid": uuid,
            "filename": asked.filename,
            "url": f"{self.origin}{ROOT}{key}",
            "created_at": now(),
            "presignedPostFields": {"url": self.origin + ROOT, "fields": fields},
        }
        return json_bytes(msgspec.json.encode(answer), 201)

    def put_back(
        self, path: str, uuid: str, filename: str, fields: dict[bytes, bytes], digest: str | None = None
    ) -> None:
        """Announce a file; with a digest it is there already."""
        asset = self.assets[path] = Asset(uuid, filename, fields, time.monotonic() + self._seconds, digest)
        if self.changed is not None:
            self.changed(path, asset)

    def require(self, urls: Iterable[str]) -> None:
        """Check that files which this storage would hold are there; other hosts' are none of its business.

        Raises:
            Refused: one is not.
        """
        start = self.origin + ROOT
        for url in urls:
            if url.startswith(start):
                asset = self.assets.get(url[len(self.origin) :])
                if asset is None or asset.digest is None:
                    raise Refused(400, f"asset has not landed: {url}")

    def _fields(self, key: str, content_type: str) -> dict[str, str]:
        policy = base64.b64encode(f'{{"conditions":[{{"key":"{key}"}}]}}'.encode()).decode()
        fields = {
            "acl": "public-read",
            "Content-Type": content_type,
            "key": key,
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": "SANDBOX/20260101/eu-west-2/s3/aws4_request",
            "x-amz-date": "20260101T000000Z",
        }
        if self._token:
            fields["x-amz-security-token"] = f"session+{key[-12:]}=="
        fields["policy"] = policy
        fields["x-amz-signature"] = hashlib.blake2b(policy.encode(), digest_size=32).hexdigest()
        return fields

    # ---- the storage's side ------------------------------------------------------------------------------

    def _guarded(self, handler: Callable[[web.Request, bytes], web.Response]) -> Any:  # noqa: ANN401
        async def guarded(request: web.Request) -> web.Response:
            try:
                self._refuse_key(request)
                return handler(request, await request.read())
            except Denied as error:
                return denial(error)

        return guarded

    def _refuse_key(self, request: web.Request) -> None:
        if "Authorization" in request.headers:
            self._sandbox.written(request, "astray", ((request.path, "", "", 0),))
            raise Denied(400, "InvalidArgument", "Only one auth mechanism allowed")

    def receive(self, request: web.Request, body: bytes) -> web.Response:
        """Take a file in: the second step of an upload."""
        if request.headers.get("Content-Length") is None:
            raise Denied(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        form = parse_form(request.headers.get("Content-Type", ""), body)
        path = ROOT + form.fields.get(b"key", b"").decode("utf-8", "replace")
        asset = self.assets.get(path)
        if asset is None or asset.fields != form.fields:
            raise Denied(403, "AccessDenied", "Invalid according to Policy: the fields are not those signed")
        if time.monotonic() > asset.until:
            raise Denied(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        if len(form.file) > self._largest:
            raise Denied(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        digest = hashlib.blake2b(form.file, digest_size=16).hexdigest()
        self.bytes.setdefault(digest, bytes(form.file))
        asset.digest = digest
        if self.changed is not None:
            self.changed(path, asset)
        self._sandbox.written(request, "asset", ((asset.uuid, asset.filename, digest, 0),))
        if not self._created:
            return web.Response(status=204, headers={"ETag": f'"{digest}"'})
        location = f"{self.origin}{path}"
        return xml(
            f"<PostResponse><Location>{location}</Location><Bucket>{BUCKET}</Bucket>"
            f'<Key>{path.removeprefix(ROOT)}</Key><ETag>"{digest}"</ETag></PostResponse>',
            201,
        )

    def give(self, request: web.Request, _: bytes) -> web.Response:
        """Hand a file out, or a range of its bytes."""
        asset = self.assets.get(request.path)
        if asset is None or asset.digest is None:
            found = self.made(request.path)
            if found is None:
                raise Denied(404, "NoSuchKey", "The specified key does not exist.")
            data, content_type = found
        else:
            data, content_type = self.bytes[asset.digest], asset.fields[b"Content-Type"].decode()
        whole = len(data)
        try:
            wanted = request.http_range
        except ValueError:
            wanted = slice(None)
        if wanted.start is None and wanted.stop is None:
            return web.Response(body=data, content_type=content_type, headers={"Accept-Ranges": "bytes"})
        first, end, _step = wanted.indices(whole)
        if first >= whole:
            raise Denied(416, "InvalidRange", "The requested range is not satisfiable")
        span = {"Content-Range": f"bytes {first}-{end - 1}/{whole}", "Accept-Ranges": "bytes"}
        return web.Response(body=data[first:end], status=206, content_type=content_type, headers=span)


def _nothing(_: str) -> None:
    return None
