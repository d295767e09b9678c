"""Credentials of Encord, and the headers that prove them.

Source of both forms: the encord SDK 0.1; the second one is an early draft of HTTP message signatures
(draft-ietf-httpbis-message-signatures).
"""

import base64
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from pydantic import SecretStr

from pipeline.errors import CredentialsError, UsageError
from pipeline.platforms.encord.settings import Settings

KEY_FILE, KEY, TOKEN = "ENCORD_SSH_KEY_FILE", "ENCORD_SSH_KEY", "ENCORD_TOKEN"
_COVERED = '("@method" "@request-target" "content-digest")'
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; both families of the API take it."""

    value: str = field(repr=False)

    def legacy(self, body: bytes) -> dict[str, str]:  # noqa: ARG002 - a key signs the body
        """Return the headers of a legacy request."""
        return {"Authorization": f"Bearer {self.value}"}

    def rest(self, method: str, url: str, body: bytes, now: int) -> dict[str, str]:  # noqa: ARG002 - as above
        """Return the headers of a REST request."""
        return {"Authorization": f"Bearer {self.value}"}


@dataclass(frozen=True, slots=True)
class SshKey:
    """An ed25519 key that signs each request. `public` is the public key, 64 hexadecimal digits."""

    private: Ed25519PrivateKey = field(repr=False)
    public: str

    def legacy(self, body: bytes) -> dict[str, str]:
        """Return the headers of a legacy request; exactly these bytes must be sent."""
        signature = self.private.sign(hashlib.sha256(body).digest()).hex()
        return {"Authorization": f"{self.public}:{signature}"}

    def rest(self, method: str, url: str, body: bytes, now: int) -> dict[str, str]:
        """Return the headers of a REST request to exactly this URL. `now` is Unix time in whole seconds."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        params = f'{_COVERED};created={now};keyid="{self.public}";alg="ed25519"'
        text = (
            f'"@method": {method}\n"@request-target": {target}\n"content-digest": {digest}\n'
            f'"@signature-params": {params}'
        )
        signature = base64.b64encode(self.private.sign(text.encode())).decode()
        return {
            "Content-Digest": digest,
            "Signature-Input": f"encord-sig={params}",
            "Signature": f"encord-sig=:{signature}:",
        }


Credentials: TypeAlias = Token | SshKey


def credentials(settings: Settings, environment: Mapping[str, str]) -> Credentials:
    """Return the credentials of the settings, else those of the environment; a key file wins over a key.

    Raises:
        CredentialsError: there are none, or the key cannot be used.
        UsageError: the key file does not exist or cannot be read.
    """
    password = settings.ssh_key_password
    if settings.token is not None:
        return _token(settings.token.get_secret_value())
    if settings.ssh_key_file is not None:
        return _from_file(settings.ssh_key_file, password)
    if settings.ssh_key is not None:
        return _key(settings.ssh_key.get_secret_value().encode(), password, "`ssh_key`")
    if path := environment.get(KEY_FILE):
        return _from_file(Path(path), password)
    if text := environment.get(KEY):
        return _key(text.encode(), password, f"the environment's {KEY}")
    if token := environment.get(TOKEN):
        return _token(token)
    raise CredentialsError(
        f"no credentials for Encord; set {KEY_FILE} to the path of a private key (or {KEY} to its text, or "
        f"{TOKEN} to a bearer token), or `ssh_key_file` in the job"
    )


def _token(value: str) -> Token:
    token = value.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CredentialsError("the bearer token for Encord is empty or has characters that no token has")
    return Token(token)


def _from_file(path: Path, password: SecretStr | None) -> SshKey:
    path = path.expanduser()
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(1 << 20)
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be read: {error.strerror}") from error
    if mode & _OTHERS:
        raise CredentialsError(
            f"the key file {path} is open to others (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}"
        )
    return _key(text, password, f"the key file {path}")


def _key(text: bytes, password: SecretStr | None, where: str) -> SshKey:
    secret = None if password is None else password.get_secret_value().encode()
    try:
        key = load_ssh_private_key(text, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's own text may quote what it read.
        hint = (
            "it needs `ssh_key_password`"
            if "assword" in str(error) and secret is None
            else ("expected a private key in OpenSSH form, and the right password if it has one")
        )
        raise CredentialsError(f"{where} cannot be used: {hint}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CredentialsError(f"{where} is not an ed25519 key, the only kind that Encord takes")
    return SshKey(key, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex())
