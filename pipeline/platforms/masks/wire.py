"""The names of mask files: a pattern that says which image, class and number a file is of."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

PICTURES: Final = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".jpe", ".png", ".tif", ".tiff", ".webp"}
)  # fmt: skip
"""The endings of picture files, in lower case."""

_PARTS: Final = {
    "image": r"(?P<image>.+)",
    # As few characters as possible, so that a number right behind it is not taken for a part of it.
    "class": r"(?P<class>[^/]+?)",
    "n": r"(?P<n>[0-9]+)",
    "number": r"(?P<n>[0-9]+)",
}
_MARK: Final = "\0"
_TOKENS: Final = re.compile(r"\{([^{}]*)\}|(\*)|([{}])")


@dataclass(frozen=True, slots=True)
class Named:
    """What a name says. `image` and `class_name` are None where the pattern leaves them out."""

    image: str | None
    class_name: str | None


class Pattern:
    """A path below the folder of the masks, with `{image}`, `{class}`, `{n}` (digits) and `*` in it.

    `{image}` may span folders, `{class}` and `*` not. The ending may be in capitals or not. Raises ValueError
    for any other placeholder, for one that is there twice, and for a pattern that leads out of the folder.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        pieces = list(_pieces(text))
        self.names = frozenset(name for name, _ in pieces if name)
        self._whole = re.compile("".join(rule for _, rule in pieces))
        self._marked = re.compile("".join(_MARK if name == "image" else rule for name, rule in pieces))

    def fits(self, path: str) -> bool:
        """Whether this is the path of a mask, with `/` between folders."""
        return self._whole.fullmatch(path) is not None

    def read(self, path: str, images: Container[str]) -> Named:
        """Return what a path says that the pattern fits. Raises ValueError for any other.

        Where a name can be read in several ways, that with the longest of the known `images` counts; if none
        is known, the longest one is named.
        """
        found = self._whole.fullmatch(path)
        if found is None:
            raise ValueError(f"the pattern {self.text!r} does not fit {path!r}")
        groups = found.groupdict()
        image = groups.get("image")
        if image is not None and image not in images:
            for part, rest in _known_parts(path, images):
                other = self._marked.fullmatch(rest)
                if other is not None:
                    return Named(part, other.groupdict().get("class"))
        return Named(image, groups.get("class"))


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Give the name of each placeholder, "" for what lies between, and a regular expression."""
    if text.startswith("/") or ".." in text.split("/") or not text.strip("/"):
        raise ValueError(
            f"pattern {text!r}: expected a path below the folder, as in {{image}}/{{class}}_{{n}}.png"
        )
    at, seen = 0, set[str]()
    for token in _TOKENS.finditer(text):
        yield "", re.escape(text[at : token.start()])
        at = token.end()
        name, star, stray = token[1], token[2], token[3]
        if stray is not None or (name is not None and name not in _PARTS):
            known = ", ".join(f"{{{one}}}" for one in ("image", "class", "n"))
            raise ValueError(f"pattern {text!r}: {token[0]!r} is not known; expected {known} and *")
        if star is not None:
            yield "", "[^/]*"
            continue
        name = "n" if name == "number" else str(name)
        if name in seen:
            raise ValueError(f"pattern {text!r}: {{{name}}} is there twice")
        seen.add(name)
        yield name, _PARTS[name]
    yield "", _last(text[at:])


def _last(text: str) -> str:
    """A regular expression for the end of a pattern. The ending of a file may be in capitals: `A.PNG`."""
    before, dot, ending = text.rpartition(".")
    return re.escape(before + dot) + (f"(?i:{re.escape(ending)})" if dot else re.escape(ending))


def _known_parts(path: str, images: Container[str]) -> Iterator[tuple[str, str]]:
    """Give each part of a path that names an image, the longest first, and the path with a mark there."""
    for size in range(len(path), 0, -1):
        for start in range(len(path) - size + 1):
            part = path[start : start + size]
            if part in images:
                yield part, path[:start] + _MARK + path[start + size :]
