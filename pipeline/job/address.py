"""Addresses of the command line: `platform:rest?setting=value#fragment`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from pipeline.errors import UsageError
from pipeline.job.explanation import is_secret


@dataclass(frozen=True, slots=True)
class Address:
    """One side of `copy`: the platform's name, what it calls the place, and settings from the query.

    The platform itself turns `rest` and `fragment` into settings.
    """

    platform: str
    rest: str
    fragment: str = ""
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def __str__(self) -> str:
        """Return the address without its query, which may hold secrets.

        Where nothing stands before the query, its settings are what tells one place from another: those that
        are no secrets and no URLs are in it then.
        """
        told = [f"{key}={value}" for key, value in self.settings.items() if not _is_private(key, value)]
        place = self.rest or f"?{'&'.join(told)}"
        return f"{self.platform}:{place}" + (f"#{self.fragment}" if self.fragment else "")


def _is_private(key: str, value: str) -> bool:
    return is_secret(key) or "://" in value  # a URL may hold a password


def parse_address(text: str) -> Address:
    """Return the parts of an address. `%23`, `%3F` and `%25` stand for #, ? and % in names.

    Raises UsageError.
    """
    platform, colon, place = text.partition(":")
    if not colon or not platform or not place:
        raise UsageError(f"address {text!r}: expected PLATFORM:PLACE, for example coco:instances.json")
    place, _, fragment = place.partition("#")
    rest, _, query = place.partition("?")
    settings: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        name = f"{platform}:{rest}"
        raise UsageError(f"address {name!r}: the part after ? is not key=value&key=value") from None
    for key, value in pairs:
        if key in settings:
            raise UsageError(f"address {platform + ':' + rest!r}: setting {key!r} is there twice; keep one")
        if key == "platform":
            raise UsageError(f"address {platform + ':' + rest!r}: the platform stands before the colon")
        settings[key] = value
    return Address(platform, unquote(rest), unquote(fragment), MappingProxyType(settings))
