"""The operations of a job, from what the job file says."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from pipeline.core.operations import OPERATIONS, Call, NewObject
from pipeline.errors import UsageError
from pipeline.job.explanation import explain, shown, unknown_key
from pipeline.ports import Operation


def operations_of(steps: object, where: str) -> tuple[Operation, ...]:
    """Return the operations of a job: each a mapping of one name, an operation, or a function of a row.

    `where` stands before every message. Raises UsageError.
    """
    if isinstance(steps, str | Mapping) or not isinstance(steps, Sequence):
        raise UsageError(
            f"{where}: operations: found {shown(steps)}, expected a list, each item `- name: settings`"
        )
    return tuple(_operation(step, f"{where}: operations[{place}]") for place, step in enumerate(steps))


def operation(name: str, /, **settings: Any) -> Operation:  # noqa: ANN401 - the keys of any operation
    """Return the label operation of that name in a job file, with the keys that it has there.

    `operation("keep", classes=["car"])`. A key that is a word of Python has an underscore after it: `from_`.
    Raises UsageError.
    """
    return operations_of([{name: {key.rstrip("_"): value for key, value in settings.items()}}], "operation")[
        0
    ]


def _operation(step: object, where: str) -> Operation:
    if isinstance(step, tuple(OPERATIONS.values())):
        return cast("Operation", step)
    if isinstance(step, str) and step in OPERATIONS:
        step = {step: None}
    if callable(step):
        return _function(step, _name_of(step), where)
    if not isinstance(step, Mapping) or len(step) != 1:
        raise UsageError(f"{where}: found {shown(step)}, expected one operation, `- name: settings`")
    ((name, settings),) = step.items()
    if name not in OPERATIONS:
        raise UsageError(f"{where}: {unknown_key(str(name), OPERATIONS).replace('key', 'operation', 1)}")
    if name == "call":
        return _called(settings, f"{where}.call")
    return _made(OPERATIONS[name], {} if settings is None else settings, f"{where}.{name}")


def _made(kind: type, settings: object, where: str) -> Operation:
    if not isinstance(settings, Mapping):
        raise UsageError(
            f"{where}: found {shown(settings)}, expected keys with values ({', '.join(_keys(kind))})"
        )
    known = {"": _keys(kind), "objects": _keys(NewObject)}
    named: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in known[""]:
            raise UsageError(f"{where}: {unknown_key(str(key), known[''])}")
        named[known[""][key]] = value
    if "objects" in named and isinstance(named["objects"], Sequence):
        named["objects"] = [_new_object(item, where, at) for at, item in enumerate(named["objects"])]
    try:
        return cast("Operation", _adapter(kind).validate_python(named))
    except ValidationError as error:
        raise explain(error, where, known) from None


def _new_object(item: object, where: str, place: int) -> object:
    if not isinstance(item, Mapping):
        return item
    known = _keys(NewObject)
    for key in item:
        if key not in known:
            raise UsageError(f"{where}.objects[{place}]: {unknown_key(str(key), known)}")
    return {known[key]: value for key, value in item.items()}


def _keys(kind: type) -> dict[str, str]:
    """Map the keys of a job file to the fields of an operation; `from` is the field `from_`."""
    return {item.name.rstrip("_"): item.name for item in fields(kind) if item.init}


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _called(target: object, where: str) -> Call:
    """Load `module:function`; the working folder is searched last."""
    if not isinstance(target, str) or target.count(":") != 1 or not all(target.split(":")):
        raise UsageError(f"{where}: found {shown(target)}, expected module:function")
    module_name, _, function_name = target.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        found: Any = import_module(module_name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(
            f"{where}: module {module_name!r} cannot be imported from {folder} or Python's path ({reason})"
        ) from error
    for part in function_name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise UsageError(f"{where}: module {module_name!r} has no function {function_name!r}")
    return _function(found, target, where)


def _function(function: Callable[..., Any], name: str, where: str) -> Call:
    if inspect.iscoroutinefunction(function):
        raise UsageError(f"{where}: {name} is async; expected a plain function LabelRow -> LabelRow")
    return Call(function, name)


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', '')}:{name}"
