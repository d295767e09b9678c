"""The body of a form with one file, as browsers send it (RFC 7578): what presigned uploads ask for."""

from collections.abc import Sequence
from hashlib import blake2b


def boundary_of(fields: Sequence[tuple[str, str]], file: bytes) -> str:
    """Return a text that occurs in none of the parts: derived from them, so that a repeat is the same."""
    digest = blake2b(digest_size=16)
    for text in (part for field in fields for part in field):
        digest.update(f"{len(text)}:{text}".encode())
    digest.update(file)
    return f"labelferry-{digest.hexdigest()}"


def content_type(boundary: str) -> str:
    """Return the Content-Type of a form with this boundary."""
    return f"multipart/form-data; boundary={boundary}"


def multipart(fields: Sequence[tuple[str, str]], file: bytes, boundary: str) -> bytes:
    """Return the body: every field in order, then the file, without a type of its own, as the last part."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'
    return b"".join([*parts, head.encode(), file, f"\r\n--{boundary}--\r\n".encode()])


def _quoted(name: str) -> str:
    """Return a name as HTML has it in a form's head."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
