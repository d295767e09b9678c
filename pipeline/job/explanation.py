"""What pydantic found, in the words of a user: where, what was found, what was expected."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from pipeline.errors import UsageError

_EXTRA = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_EXPECTED = {
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys with values",
    "mapping_type": "keys with values",
    "model_type": "keys with values",
    "dataclass_type": "keys with values",
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
_SECRET = ("key", "token", "secret", "password", "credential")
_SHOWN = 5
_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")


def explain(
    error: ValidationError, where: str, known_keys: Iterable[str] | Mapping[str, Iterable[str]]
) -> UsageError:
    """Return the UsageError that says what pydantic found.

    `where` is the file, and the key under which the value stands ("job.yaml: target"). `known_keys` are those
    that may stand there, or a mapping from a path below it ("engine", "" for the top) to them. At most five
    findings are named. The values of keys that sound like secrets are not shown.
    """
    keys = known_keys if isinstance(known_keys, Mapping) else {"": known_keys}
    lines: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        path = path_of(item["loc"])
        if item["type"] in _EXTRA:
            parent, _, key = path.rpartition(".")
            lines.setdefault(_at(where, parent), []).append(unknown_key(key, keys.get(_plain(parent), ())))
            continue
        lines.setdefault(_at(where, path), []).append(_finding(item, path))
    texts = [f"{place}: {_joined(found)}" for place, found in lines.items()]
    more = [f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return UsageError("\n".join(texts[:_SHOWN] + more))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that a key is not known, and which one is nearest."""
    names = sorted(known)
    near = get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown key {key!r}; {hint}known here: {', '.join(names) or 'none'}"


def path_of(location: Sequence[int | str]) -> str:
    """Return a key path (`operations[1].keep.classes[0]`) without the names that pydantic gives to types."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not (set(part) & set("[(") or part in ("int", "float", "str", "bool", "none")):
            path += f".{part.rstrip('_')}" if path else part.rstrip("_")
    return path


def is_secret(key: str) -> bool:
    """Say whether a key sounds like one that holds a secret."""
    return any(word in key.casefold() for word in _SECRET)


def shown(value: object, path: str = "") -> str:
    """Return a value as messages show it: short, and never a secret."""
    if is_secret(path.rpartition(".")[2]):
        return "a value that is not shown here"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what fits in a line


def _finding(item: Any, path: str) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    kind, context = item["type"], item.get("ctx", {})
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return "is missing; it is required"
    if kind == "value_error":
        return str(context["error"])
    expected = _EXPECTED.get(kind) or item["msg"].removeprefix("Input should be ").replace("valid ", "")
    expected = _MEMBER.sub(r"\1", expected)
    value = item["input"]
    quote = (
        f"; put it in quotes: '{value}'"
        if kind == "string_type" and type(value) in (int, float, bool)
        else ""
    )
    return f"found {shown(value, path)}, expected {expected}{quote}"


def _joined(found: list[str]) -> str:
    first, *rest = dict.fromkeys(found)
    head, mark, _ = first.partition(", expected ")
    if not mark or not all(item.startswith(head + mark) for item in rest):
        return "; ".join((first, *rest))
    return " or ".join((first, *(item.removeprefix(head + mark) for item in rest)))


def _at(where: str, path: str) -> str:
    return f"{where}{'.' if ': ' in where else ': '}{path}" if path else where


def _plain(path: str) -> str:
    return "".join(part.partition("]")[2] if place else part for place, part in enumerate(path.split("[")))
