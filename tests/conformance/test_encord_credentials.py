"""Where Encord's credentials come from, what is wrong with bad ones, and which addresses are taken."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import ValidationError

from pipeline.errors import CredentialsError, UsageError
from pipeline.platforms.encord.settings import Settings
from pipeline.platforms.encord.signing import SshKey, Token, credentials
from pipeline.platforms.encord.stand_in.access import Access

PROJECT = "7d4ead9c-4087-4832-a301-eb2545e7d43b"
KEY = Ed25519PrivateKey.generate()


def pem(key: Ed25519PrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> str:
    locked = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, locked).decode()


def key_file(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "key"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def settings(**given: object) -> Settings:
    return Settings.model_validate({"project": PROJECT, **given})


def test_a_key_file_in_the_environment_wins_over_a_key_there(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate()
    environment = {"ENCORD_SSH_KEY_FILE": key_file(tmp_path, pem(KEY)), "ENCORD_SSH_KEY": pem(other)}
    found = credentials(settings(), environment)
    assert isinstance(found, SshKey)
    assert found.public == KEY.public_key().public_bytes_raw().hex()
    del environment["ENCORD_SSH_KEY_FILE"]
    found = credentials(settings(), environment)
    assert isinstance(found, SshKey)
    assert found.public == other.public_key().public_bytes_raw().hex()


def test_what_the_job_says_wins_over_the_environment() -> None:
    assert credentials(settings(token="abc"), {"ENCORD_SSH_KEY": pem(KEY)}) == Token("abc")
    assert credentials(settings(), {"ENCORD_TOKEN": "def"}) == Token("def")


def test_without_credentials_the_error_says_what_to_set() -> None:
    with pytest.raises(CredentialsError, match=r"ENCORD_SSH_KEY_FILE.*ENCORD_SSH_KEY.*ssh_key_file"):
        credentials(settings(), {})


def test_a_key_with_a_password_needs_it(tmp_path: Path) -> None:
    path = key_file(tmp_path, pem(KEY, b"secret"))
    assert isinstance(credentials(settings(ssh_key_file=path, ssh_key_password="secret"), {}), SshKey)
    with pytest.raises(CredentialsError, match="ssh_key_password"):
        credentials(settings(ssh_key_file=path), {})
    with pytest.raises(CredentialsError, match="password"):
        credentials(settings(ssh_key_file=path, ssh_key_password="wrong"), {})


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, pem(KEY), 0o644)
    with pytest.raises(CredentialsError, match="chmod 600"):
        credentials(settings(ssh_key_file=path), {})


def test_a_missing_key_file_is_an_error_of_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        credentials(settings(ssh_key_file=str(tmp_path / "nowhere")), {})


def test_a_key_of_another_kind_or_form_is_refused_and_not_quoted(tmp_path: Path) -> None:
    rsa_key = pem(rsa.generate_private_key(65537, 2048))
    with pytest.raises(CredentialsError, match="ed25519"):
        credentials(settings(ssh_key=rsa_key), {})
    with pytest.raises(CredentialsError) as refused:
        credentials(settings(ssh_key_file=key_file(tmp_path, "canary, no key")), {})
    assert "canary" not in str(refused.value)


def test_secrets_are_not_shown() -> None:
    shown = (
        repr(settings(token="canary")) + repr(Token("canary")) + settings(token="canary").model_dump_json()
    )
    assert "canary" not in shown


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"url": "http://api.encord.com"}, "url"),
        ({"url": "ftp://api.encord.com"}, "url"),
        ({"url": "https://user:canary@api.encord.com"}, "url"),
        ({"project": "not-a-hash"}, "project"),
        ({"token": "a", "ssh_key": "b"}, "ssh_key and token"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named) as refused:
        settings(**given)
    assert all("canary" not in str(error["msg"]) for error in refused.value.errors())


@pytest.mark.parametrize("url", ["http://127.0.0.1:8700", "http://[::1]:8700/gate", "http://localhost:1"])
def test_http_is_taken_on_this_machine(url: str) -> None:
    assert settings(url=url + "/").url == url
    assert settings(url="http://gateway.example", insecure=True).insecure


def test_a_signature_holds_for_its_request_only() -> None:
    key = credentials(settings(), {"ENCORD_SSH_KEY": pem(KEY)})
    access = Access((KEY.public_key(),), frozenset())
    headers = key.rest("GET", "https://h/gate/v2/public/x?a=b%20c", b"", 1000)
    good = ("GET", "/gate/v2/public/x?a=b%20c", headers, b"", 1100.0)
    assert access.signed(*good)
    for place, other in ((0, "POST"), (1, "/v2/public/x?a=b%20c"), (3, b"more"), (4, 2000.0)):
        assert not access.signed(*(other if n == place else part for n, part in enumerate(good)))  # type: ignore[arg-type]
    signed = key.legacy(b"body")["Authorization"]
    assert access.legacy(signed, b"body")
    assert not access.legacy(signed, b"other")
    assert not Access((), frozenset()).legacy(signed, b"body")
