"""The legacy family: one endpoint, and queries in an envelope that carries its own status."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from pipeline.platforms.encord.stand_in.access import Access
from pipeline.platforms.encord.stand_in.project import Listed, Project
from pipeline.platforms.encord.stand_in.rows import Refused
from pipeline.sandbox import Poison, Sandbox

PIECE = 500
"""Rows of the listing that are written at a time."""


class Payload(msgspec.Struct):
    """The payload of a legacy query, of which the labels stay bytes."""

    labels: list[msgspec.Raw] = []
    label_hash: str | None = None


class Values(msgspec.Struct):
    """What a legacy query is about."""

    uid: str | list[str] | None = None
    payload: msgspec.Raw = msgspec.Raw(b"null")


class Query(msgspec.Struct):
    """The legacy envelope."""

    query_type: str
    query_method: str
    values: Values


class Named(msgspec.Struct):
    """The part of the legacy envelope that names the query."""

    query_type: str = "?"
    query_method: str = "?"


class Legacy:
    """Answers legacy queries for one project."""

    def __init__(self, project: Project, access: Access, sandbox: Sandbox) -> None:
        self._project = project
        self._access = access
        self._sandbox = sandbox

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one query."""
        body = await request.read()
        authorization = request.headers.get("Authorization", "")
        known = self._access.bearer(authorization)
        known = self._access.legacy(authorization, body) if known is None else known
        try:
            self._admit(request, known=known)
            return self._answer(request, msgspec.json.decode(body, type=Query))
        except msgspec.DecodeError as error:
            refused = Refused("INVALID_ARGUMENTS_ERROR", f"the body is not a query: {error}")
        except Refused as error:
            refused = error
        # Encord answers errors of this family with HTTP 200 and tells the status in the body.
        answer = {"status": refused.status, "response": [refused.code]}
        if refused.payload is not None:
            answer["payload"] = refused.payload
        return web.Response(
            body=msgspec.json.encode(answer),
            content_type="application/json",
            status=500 if refused.code == "UNKNOWN_ERROR" else 200,
        )

    def _admit(self, request: web.Request, *, known: bool) -> None:
        if not known or self._sandbox.faults.refuse_keys:
            raise Refused("AUTHENTICATION_ERROR", status=401)
        if request.headers.get("ResourceID") != self._project.hash:
            raise Refused("AUTHORISATION_ERROR", status=403)

    def _answer(self, request: web.Request, query: Query) -> web.Response:
        match query.query_type, query.query_method:
            case "labelrowmetadata", "GET":
                return self._list(msgspec.json.decode(query.values.payload))
            case "labelrow", "PUT":
                bodies = self._create(request, query)
            case "labelrow", "GET":
                bodies = self._load(query)
            case "labelrow", "POST":
                self._save(request, query)
                return _wrapped([b"true"], many=False)
            case _:
                raise Refused("METHOD_NOT_ALLOWED_ERROR", status=405)
        return _wrapped(bodies, many=not isinstance(query.values.uid, str))

    def _list(self, wanted: Mapping[str, Any]) -> web.Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"status":200,"response":['
            batch: list[Listed] = []
            first = True
            for item in self._project.listing(wanted):
                batch.append(item)
                if len(batch) == PIECE:
                    yield _joined(batch, first=first)
                    batch, first = [], False
            yield _joined(batch, first=first) + b"]}"

        return web.Response(body=pieces(), content_type="application/json")

    def _create(self, request: web.Request, query: Query) -> list[bytes]:
        names = self._admitted(query)
        bodies = self._project.create(names)
        self._sandbox.written(
            request, "create", ((data, title, "", 0) for _, data, title in self._project.names(names))
        )
        return bodies

    def _load(self, query: Query) -> list[bytes]:
        names = self._admitted(query)
        payload = msgspec.json.decode(query.values.payload)
        for key in ("include_object_feature_hashes", "include_classification_feature_hashes"):
            if payload.get(key) is not None:
                raise Refused("INVALID_ARGUMENTS_ERROR", f"the sandbox does not filter by {key}")
        bodies = self._project.load(names)
        self._sandbox.log.rows["load"] += len(bodies)
        return bodies

    def _save(self, request: web.Request, query: Query) -> None:
        names = self._admitted(query)
        if isinstance(query.values.uid, str):
            labels = [query.values.payload]
        else:
            labels = msgspec.json.decode(query.values.payload, type=Payload).labels
        self._refuse_poison(names)
        saved = self._project.save(names, labels)
        self._sandbox.written(
            request, "save", ((row.label_hash, row.title, row.digest, row.labels) for row in saved)
        )

    def _admitted(self, query: Query) -> Sequence[str]:
        """Return the hashes that a query names, unless there are too many."""
        uid = query.values.uid
        names = [uid] if isinstance(uid, str) else (uid or [])
        most = self._sandbox.faults.max_rows
        if most is not None and len(names) > most:
            raise Refused("MULTI_LABEL_LIMIT_ERROR", {"maximum_labels_allowed": most})
        return names

    def _refuse_poison(self, names: Sequence[str]) -> None:
        poisoned = self._sandbox.poisoned(self._project.names(names))
        if not poisoned:
            return
        match self._sandbox.faults.poison_answer:
            case Poison.NAMED:
                text = "; ".join(f"label {name}: {reason}" for name, reason in poisoned.items())
                raise Refused("CORRUPTED_LABEL_ERROR", text)
            case Poison.UNNAMED:
                raise Refused("CORRUPTED_LABEL_ERROR")
            case Poison.SERVER_ERROR:
                raise Refused("UNKNOWN_ERROR", status=500)


def kind_of(body: bytes) -> str:
    """Name a query by type and method."""
    try:
        named = msgspec.json.decode(body, type=Named)
    except (msgspec.DecodeError, ValueError):
        return "?"
    return f"{named.query_type}.{named.query_method}"


def _wrapped(bodies: Sequence[bytes], *, many: bool) -> web.Response:
    value = b"[" + b",".join(bodies) + b"]" if many else bodies[0]
    return web.Response(body=b'{"status":200,"response":' + value + b"}", content_type="application/json")


def _joined(batch: Sequence[Listed], *, first: bool) -> bytes:
    if not batch:
        return b""
    return (b"" if first else b",") + b",".join(map(msgspec.json.encode, batch))
