"""Reads and writes multipart bodies: files that come in, and images and geometries that go out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import web

from pipeline.platforms.supervisely.stand_in.answers import Refused, invalid

_NAME = re.compile(rb'[;\s]name="([^"]*)"')
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a body: its field's name and its bytes."""

    name: str
    data: bytes


def parse_parts(content_type: str, body: bytes) -> list[Part]:
    """Read a multipart body.

    Raises:
        Refused: it is none.
    """
    boundary = _BOUNDARY.search(content_type)
    if not content_type.startswith("multipart/form-data") or boundary is None:
        raise invalid("the body must be multipart/form-data")
    line = b"--" + boundary[1].encode()
    mark, found, at = b"\r\n" + line, list[Part](), len(line)
    if not body.startswith(line):
        raise _malformed("no part at its start")
    while body[at : at + 2] != b"--":
        head_end = body.find(b"\r\n\r\n", at)
        name = None if head_end < 0 else _NAME.search(body, at, head_end)
        end = body.find(mark, head_end + 4)
        if name is None or end < 0:
            raise _malformed("a part without a name or an end")
        found.append(Part(name[1].decode("utf-8", "replace"), body[head_end + 4 : end]))
        at = end + len(mark)
    return found


def parts_answer(parts: Iterable[tuple[int, bytes, str]]) -> web.Response:
    """Answer with parts: the id that names each, its bytes, and further header lines that end with CRLF."""
    boundary = uuid4().hex.encode()
    pieces: list[bytes] = []
    for key, data, head in parts:
        name = b"%d" % key
        pieces += (
            b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n' % (boundary, name, name),
            head.encode(),
            b"\r\n",
            data,
            b"\r\n",
        )
    pieces.append(b"--%b--\r\n" % boundary)
    content_type = f"multipart/form-data; boundary={boundary.decode()}"
    return web.Response(body=b"".join(pieces), headers={"Content-Type": content_type})


def _malformed(what: str) -> Refused:
    return invalid(f"the multipart body is not well-formed: {what}")
