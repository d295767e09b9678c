"""Bodies of several parts (RFC 7578): files and geometries that are sent, geometries that come. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

_BOUNDARY = re.compile(r'boundary="?([^";\s]+)"?', re.IGNORECASE)
_NAME = re.compile(rb'(?:^|[\s;])name="([^"]*)"', re.IGNORECASE)
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form: a text, or a file where it has a type. Its names need no quoting."""

    name: str
    data: bytes
    filename: str = ""
    kind: str = ""

    def head(self) -> bytes:
        """Return what precedes the data."""
        file = f'; filename="{self.filename}"\r\nContent-Type: {self.kind}' if self.kind else ""
        return f'Content-Disposition: form-data; name="{self.name}"{file}\r\n\r\n'.encode()


def form(parts: Sequence[Part]) -> tuple[bytes, str]:
    """Return the body and its Content-Type. The boundary is derived from the parts: a repeat is the same."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(f"{len(part.data)}:{part.name}:".encode())
        digest.update(part.data)
    boundary = f"labelferry-{digest.hexdigest()}"
    between = f"--{boundary}\r\n".encode()
    pieces = [piece for part in parts for piece in (between, part.head(), part.data, b"\r\n")]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def parts_of(headers: Mapping[str, str], body: bytes) -> Iterator[tuple[str, bytes]]:
    """Give the name and the data of each part of an answer. Raises ValueError for one that is not whole."""
    found = _BOUNDARY.search(headers.get("content-type", ""))
    if found is None:
        raise ValueError("it is not made of parts")
    between = b"--" + found.group(1).encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + between)
    if not pieces[-1].startswith(b"--"):
        raise ValueError("its last part is missing")
    for piece in pieces[1:-1]:
        head, end, data = piece.partition(_END)
        name = _NAME.search(head)
        if not end or name is None:
            raise ValueError("a part of it has no name")
        yield name.group(1).decode(errors="replace"), data
