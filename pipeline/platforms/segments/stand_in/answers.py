"""Answers in the forms of the service: JSON, refusals with their text, and XML where the storage answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

import msgspec
from aiohttp import web

NOT_FOUND = "Not found."
NO_CREDENTIALS = "Authentication credentials were not provided."

PER_PAGE = 1000
"""Items of a page where no number is asked for."""

Asked = TypeVar("Asked")
Item = TypeVar("Item")

Paths: TypeAlias = Iterator[tuple[str, str, Callable[[web.Request, bytes], web.Response]]]
"""What a part of the service answers: method, path, and what is called with the request and its body."""

DATASET = "/datasets/{owner}/{dataset}/"
"""The path of a dataset, which those of all that it holds begin with."""


class Refused(Exception):  # noqa: N818 - an answer of the service
    """A refusal: an HTTP status and the text that goes with it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Denied(Exception):  # noqa: N818 - an answer of the storage
    """A refusal of the storage, which answers in XML: an HTTP status, its code and its message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def absent() -> Refused:
    """Return the refusal for anything that is not there."""
    return Refused(404, NOT_FOUND)


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
            raise Refused(400, f"JSON parse error - {error}") from error
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(400, str(error)) from error
    except msgspec.DecodeError as error:
        raise Refused(400, f"JSON parse error - {error}") from error


def json_bytes(body: bytes, status: int = 200) -> web.Response:
    """Answer with JSON that is encoded already."""
    return web.Response(body=body, status=status, content_type="application/json")


def json_value(value: Any, status: int = 200) -> web.Response:  # noqa: ANN401 - anything that is JSON
    """Answer with JSON."""
    return json_bytes(msgspec.json.encode(value), status)


def page_of(found: Sequence[Item], query: Mapping[str, str], cap: int) -> Sequence[Item]:
    """Return the page that a query asks for, of at most `cap` items.

    Raises:
        Refused: there is no such page. The first one is there even when it is empty.
    """
    page, per_page = query.get("page", "1"), query.get("per_page", "")
    size = min(int(per_page) if per_page.isdecimal() else PER_PAGE, cap) or cap
    number = int(page) if page.isdecimal() else 0
    if number < 1 or (number > 1 and (number - 1) * size >= len(found)):
        raise Refused(404, "Invalid page.")
    return found[(number - 1) * size : number * size]


def refusal(error: Refused) -> web.Response:
    """Answer with a refusal of the service."""
    return json_value({"detail": error.detail}, error.status)


def denial(error: Denied) -> web.Response:
    """Answer with a refusal of the storage."""
    return xml(f"<Error><Code>{error.code}</Code><Message>{error}</Message></Error>", error.status)


def xml(text: str, status: int) -> web.Response:
    """Answer with XML, as the storage does."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'
    return web.Response(text=body, status=status, content_type="application/xml")


def now() -> str:
    """Return the time as the service writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
