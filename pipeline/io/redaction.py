"""Takes secrets out of whatever is written.

A secret is known by its name (`token`, `api_key`, `Authorization` ...) or by its value (what the environment
and the job hold under such a name).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "[redacted]"
SHORTEST = 6
"""A value of fewer characters is not searched for in text: it would hide ordinary words."""

_WORDS = (
    r"(?:token|secret|passw(?:or)?d|passphrase|(?:api|ssh|private)_?key|authorization|cookie|credentials?)"
)
_NAME = re.compile(rf"{_WORDS}(?!_?(?:file|path))", re.IGNORECASE)
_PATTERNS = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        HIDDEN,
    ),
    (re.compile(r"(?i)\b(bearer|basic|token)(\s+)[A-Za-z0-9._~+/=-]{8,}"), rf"\1\2{HIDDEN}"),
    (re.compile(r"(://[^\s/@:]*:)[^\s/@]+@"), rf"\1{HIDDEN}@"),
    (
        re.compile(
            rf"(?i)([\w-]*{_WORDS}(?!_?(?:file|path))[\"']?\s*[=:]\s*)"
            rf"(?!(?:bearer|basic|token)\s)(?:\"[^\"]*\"|'[^']*'|[^\s&,;\"'}}\])]+)"
        ),
        rf"\1{HIDDEN}",
    ),
)


class Redactor:
    """Takes secrets out of text and of plain values, by name and by value."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values: set[str] = set()
        self._search: re.Pattern[str] | None = None
        self.learn(environment)

    def learn(self, known: Any) -> None:  # noqa: ANN401 - any plain value
        """Remember every text that stands under a secret's name in a (nested) mapping."""
        for value in _secrets(known, secret=False):
            lines = [value, *value.splitlines()] if "\n" in value else [value]
            self._values.update(line.strip() for line in lines if len(line.strip()) >= SHORTEST)
        longest_first = sorted(self._values, key=len, reverse=True)
        self._search = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        if self._search is not None:
            text = self._search.sub(HIDDEN, text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text

    def value(self, value: Any) -> Any:  # noqa: ANN401 - any plain value
        """Return a plain value (mappings, lists, text, numbers) without secrets, at any depth."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.value(key): HIDDEN if _is_secret(key) and isinstance(item, str) else self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _is_secret(name: Any) -> bool:  # noqa: ANN401 - keys of any mapping
    return isinstance(name, str) and _NAME.search(name) is not None


def _secrets(value: Any, *, secret: bool) -> Iterable[str]:  # noqa: ANN401 - any plain value
    if isinstance(value, str):
        if secret:
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets(item, secret=secret or _is_secret(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item, secret=secret)
