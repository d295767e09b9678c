"""Answers in the forms of the service: JSON, refusals with their details, lists of pages, and multipart."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

import msgspec
from aiohttp import web

Json: TypeAlias = dict[str, Any]

Asked = TypeVar("Asked")

_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}
"""By what they decode to: making one takes a quarter of the time of decoding an annotation."""

Answer: TypeAlias = Callable[[web.Request, bytes], web.Response]
"""What answers a method, given the request and its body."""

Methods: TypeAlias = Iterator[tuple[str, Answer]]
"""What a part of the service answers: names of methods, and what is called."""


class Refused(Exception):  # noqa: N818 - an answer of the service
    """A refusal: an HTTP status, a sentence, and what the service tells in detail."""

    def __init__(self, status: int, error: str, details: Any = None) -> None:  # noqa: ANN401 - JSON
        super().__init__(error)
        self.status = status
        self.error = error
        self.details = {"message": error} if details is None else details


def absent(what: str, key: object) -> Refused:
    """Return the refusal for anything that is not there."""
    return Refused(404, "Not found", {"message": f"{what} {key} is not found"})


def invalid(message: str) -> Refused:
    """Return the refusal of a body that is not as it must be."""
    return Refused(400, "Validation failed", [{"type": "VALIDATION", "message": message}])


def named(kind: str, message: str, rows: Iterable[Mapping[str, Any]]) -> Refused:
    """Return a refusal that tells which entities it is about, each with its `id` and `name`."""
    return Refused(400, message, [{"type": kind, "message": message, "errors": list(rows)}])


def decoded(body: bytes, kind: type[Asked]) -> Asked:
    """Decode a body of JSON.

    Raises:
        Refused: it is not JSON, not UTF-8, or lacks what it must have.
    """
    if not body.isascii():
        # What stays undecoded bytes is not checked otherwise.
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise invalid(f"the body is not UTF-8: {error}") from error
    decoder = _DECODERS.get(kind) or _DECODERS.setdefault(kind, msgspec.json.Decoder(kind))
    try:
        found: Asked = decoder.decode(body or b"{}")
    except msgspec.DecodeError as error:
        raise invalid(str(error)) from error
    return found


def json_bytes(body: bytes, status: int = 200) -> web.Response:
    """Answer with JSON that is encoded already."""
    return web.Response(body=body, status=status, content_type="application/json")


def json_value(value: Any, status: int = 200) -> web.Response:  # noqa: ANN401 - anything that is JSON
    """Answer with JSON."""
    return json_bytes(msgspec.json.encode(value), status)


def refusal(error: Refused) -> web.Response:
    """Answer with a refusal of the service."""
    return json_value({"error": error.error, "details": error.details}, error.status)


def now() -> str:
    """Return the time as the service writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
