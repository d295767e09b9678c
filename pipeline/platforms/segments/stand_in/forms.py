"""Reads the form of an upload: fields, then one file as its last part."""

import re
from dataclasses import dataclass

from pipeline.platforms.segments.stand_in.answers import Denied

_NAME = re.compile(rb'\bname="([^"]*)"')
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')


@dataclass(frozen=True, slots=True)
class Form:
    """The fields by name, and the bytes of the file."""

    fields: dict[bytes, bytes]
    file: memoryview


def parse_form(content_type: str, body: bytes) -> Form:
    """Read a multipart form.

    Raises:
        Denied: it is none, has no file, or has something behind the file.
    """
    boundary = _BOUNDARY.search(content_type)
    if not content_type.startswith("multipart/form-data") or boundary is None:
        raise Denied(
            412, "PreconditionFailed", "Bucket POST must be of the enclosure-type multipart/form-data"
        )
    line = b"--" + boundary[1].encode()
    if not body.startswith(line + b"\r\n"):
        raise malformed("no part at its start")
    mark, at, fields = b"\r\n" + line, len(line) + 2, dict[bytes, bytes]()
    while True:
        head_end = body.find(b"\r\n\r\n", at)
        name = None if head_end < 0 else _NAME.search(body, at, head_end)
        end = body.find(mark, head_end + 4)
        if name is None or end < 0:
            raise malformed("a part without a name or an end")
        after = body[end + len(mark) : end + len(mark) + 2]
        if name[1] == b"file":
            if after != b"--":
                raise malformed("the file is not its last part")
            return Form(fields, memoryview(body)[head_end + 4 : end])
        if after != b"\r\n":
            raise malformed("no file")
        if name[1] in fields:
            raise malformed(f"field {name[1]!r} twice")
        fields[name[1]] = body[head_end + 4 : end]
        at = end + len(mark) + 2


def malformed(what: str) -> Denied:
    """Return the refusal of a form that is not one."""
    return Denied(400, "MalformedPOSTRequest", f"The body of your POST request is not well-formed: {what}")
