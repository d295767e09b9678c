"""Ids that a client of Encord may choose, derived and never random: the same in every run."""

from binascii import b2a_base64
from hashlib import blake2b


def short_hash(*parts: str) -> str:
    """Return 8 characters of standard base64 over 6 bytes of blake2: the form of Encord's object hashes."""
    digest = blake2b("\0".join(parts).encode(), digest_size=6).digest()
    return b2a_base64(digest, newline=False).decode("ascii")


def hex_hash(*parts: str) -> str:
    """Return 8 hex digits of blake2: the form of the ids that Encord gives to classes."""
    return blake2b("\0".join(parts).encode(), digest_size=4).hexdigest()
