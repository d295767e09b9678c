"""The label operations: each takes a row and returns one, and says what it makes of an ontology.

None changes the row that it is given. What it does not touch stays the same instance, and a changed object
keeps its `raw`. One that cannot do its work on a row raises RowError with the object and the reason. A wrong
setting raises ValueError when the operation is made.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.core.operations.assign import Set
from pipeline.core.operations.bind import Bind, Unbind
from pipeline.core.operations.call import Call
from pipeline.core.operations.choose import Drop, Keep
from pipeline.core.operations.clip import Clip
from pipeline.core.operations.convert import Convert
from pipeline.core.operations.objects import Add, NewObject, Remove
from pipeline.core.operations.rename import Rename

__all__ = [
    "OPERATIONS", "Add", "Bind", "Call", "Clip", "Convert", "Drop", "Keep", "NewObject", "Remove", "Rename",
    "Set", "Unbind",
]  # fmt: skip

OPERATIONS: Mapping[str, type] = MappingProxyType(
    {
        "rename": Rename,
        "keep": Keep,
        "drop": Drop,
        "set": Set,
        "convert": Convert,
        "clip": Clip,
        "add": Add,
        "remove": Remove,
        "bind": Bind,
        "unbind": Unbind,
        "call": Call,
    }
)
"""Every operation by its name in a job file, where a field `from_` is written without its underscore."""
