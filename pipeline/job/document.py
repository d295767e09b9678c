"""YAML of a job file: plain values only, with no aliases and no key twice."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UsageError

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32


class _Loader(yaml.SafeLoader):
    """The safe loader of YAML, held to what a job file needs."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused(
                f"alias *{event.anchor} is not allowed here; write the value out", event.start_mark
            )
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > MAX_DEPTH:
            raise _refused(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _refused("a key must be plain text", key_node.start_mark)
            if key in seen:
                raise _refused(f"key {key!r} is there twice; keep one", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _refused(reason: str, mark: Any) -> yaml.MarkedYAMLError:  # noqa: ANN401 - PyYAML has two kinds of mark
    return yaml.MarkedYAMLError(problem=reason, problem_mark=mark)


# What looks like text stays text: a title 0123, 12:30 or 2024-05-01, a class `no`, and no merging of `<<`.
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?", "-+0123456789"),
):
    starts: list[str] = [*_first, ""] if _tag == "null" else list(_first)
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), starts)


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return what a YAML file holds. Raises UsageError with the file, the line and the reason."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UsageError(f"{path}: {size} bytes; a job file has at most {MAX_BYTES}")
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - built on the safe loader
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give the path of a job file") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(f"{path}{place}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path}: not YAML: {error}") from None
