"""Keys of the stand-in: makes one, and checks signatures and bearer tokens as Encord does."""

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from pipeline.errors import UsageError

KEY_FILE = "encord_sandbox_key"
FRESH_SECONDS = 300
_INPUT = re.compile(
    r'encord-sig=(?P<params>\("@method" "@request-target" "content-digest"\)'
    r';created=(?P<created>\d+);keyid="(?P<key>[0-9a-f]{64})";alg="ed25519")'
)
_SIGNATURE = re.compile(r"encord-sig=:(?P<value>[A-Za-z0-9+/=]+):")


def make_key(folder: Path) -> tuple[Path, Ed25519PublicKey]:
    """Return a private key file in OpenSSH form, mode 0600, and its public key; one that exists is kept."""
    path = folder / KEY_FILE
    if path.exists():
        private = load_ssh_private_key(path.read_bytes(), None)
        if not isinstance(private, Ed25519PrivateKey):
            raise UsageError(f"{path} holds a key that is not ed25519; remove it to let the sandbox make one")
        return path, private.public_key()
    folder.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return path, key.public_key()


class Access:
    """Who may come in: registered public keys, and tokens."""

    def __init__(self, keys: tuple[Ed25519PublicKey, ...], tokens: frozenset[str]) -> None:
        self._keys = {key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex(): key for key in keys}
        self._tokens = tokens

    def bearer(self, authorization: str) -> bool | None:
        """Return whether a bearer token is known, or None when the header holds none."""
        scheme, _, token = authorization.partition(" ")
        return token in self._tokens if scheme == "Bearer" else None

    def legacy(self, authorization: str, body: bytes) -> bool:
        """Check `<public key>:<signature of sha256(body)>`, both in hexadecimal."""
        public, _, signature = authorization.partition(":")
        try:
            return self._verify(public, bytes.fromhex(signature), hashlib.sha256(body).digest())
        except ValueError:
            return False

    def signed(self, method: str, target: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        """Check the three headers of an HTTP message signature; `target` is the path and query as sent."""
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        given = _INPUT.fullmatch(headers.get("Signature-Input", ""))
        signature = _SIGNATURE.fullmatch(headers.get("Signature", ""))
        if given is None or signature is None or headers.get("Content-Digest") != digest:
            return False
        if abs(now - int(given["created"])) > FRESH_SECONDS:
            return False
        text = (
            f'"@method": {method}\n"@request-target": {target}\n"content-digest": {digest}\n'
            f'"@signature-params": {given["params"]}'
        )
        try:
            return self._verify(given["key"], base64.b64decode(signature["value"]), text.encode())
        except ValueError:
            return False

    def _verify(self, public: str, signature: bytes, message: bytes) -> bool:
        key = self._keys.get(public)
        if key is None:
            return False
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True
