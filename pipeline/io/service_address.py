"""The address of a platform's API, as a job names it."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def service_address(text: str, example: str) -> str:
    """Return the address of a platform's API without a slash at its end; a path in it is kept.

    Raises ValueError for one that is not http or https, and for one with a user, a query or a fragment.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"no valid address ({error}); expected one such as {example}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"not an http or https address; expected one such as {example}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("the address has a user, a query or a fragment; take it out")
    return text.rstrip("/")


def leaves_unencrypted(url: str) -> bool:
    """Whether what is sent to this address travels readable to another machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
