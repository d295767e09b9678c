"""A quicker constructor for the frozen dataclasses of which a run makes hundreds for every row.

The constructor that `dataclasses` writes for a frozen class calls `object.__setattr__` for each field. This
one sets each field through the descriptor of its slot, in half the time: a tenth of what a row takes. All
else stays as it was: fields and defaults, equality, `replace`, pickling, and that nothing can be changed
afterwards.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, Final, TypeVar, cast

Made = TypeVar("Made")


class _Factory:
    """Stands for a default that is made anew for each instance."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY: Final = _Factory()


def quick(made: type[Made]) -> type[Made]:
    """Give the constructor to a class of `@dataclass(frozen=True, slots=True)` without `__post_init__`."""
    known: dict[str, Any] = {"factory": _FACTORY}
    parameters, lines = [], []
    for each in fields(cast("Any", made)):
        name = each.name
        known[f"set_{name}"] = made.__dict__[name].__set__
        if each.default_factory is not MISSING:
            known[f"make_{name}"] = each.default_factory
            parameters.append(f"{name}=factory")
            lines.append(f"set_{name}(self, make_{name}() if {name} is factory else {name})")
        else:
            parameters.append(_parameter(each, known))
            lines.append(f"set_{name}(self, {name})")
    # As `dataclasses` makes its own: from the names of the fields, and no other input.
    exec(f"def __init__(self, {', '.join(parameters)}):\n " + "\n ".join(lines), known)  # noqa: S102
    return _with(made, known["__init__"])


def _with(made: type[Made], constructor: Callable[..., None]) -> type[Made]:
    before: Any = made.__init__
    constructor.__qualname__, constructor.__module__ = before.__qualname__, before.__module__
    constructor.__annotations__ = before.__annotations__
    type.__setattr__(made, "__init__", constructor)
    return made


def _parameter(each: Field[Any], known: dict[str, Any]) -> str:
    if each.default is MISSING:
        return each.name
    known[f"default_{each.name}"] = each.default
    return f"{each.name}=default_{each.name}"
