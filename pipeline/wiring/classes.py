"""Whether the target's ontology holds every class that the job will write: asked before any write."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from pipeline.core.geometry import Shape
from pipeline.core.losses import Features
from pipeline.core.ontology import Ontology, draft
from pipeline.core.rows import RowKey
from pipeline.errors import UsageError
from pipeline.ports import Operation

NAMED = 5
"""Missing classes that a message names at most."""


@dataclass(slots=True)
class Seen:
    """What the first pass over the keys showed. `pairs` is None where a row did not tell its classes."""

    rows: int = 0
    masks: int = 0
    mask_pixels: int = 0
    pairs: dict[tuple[str, Shape], None] | None = field(default_factory=dict)

    async def watch(self, keys: AsyncIterator[RowKey]) -> AsyncIterator[RowKey]:
        """Pass the keys on and count them."""
        async for key in keys:
            self.rows += 1
            self.mask_pixels += key.mask_pixels
            self.masks += key.labels if key.mask_pixels else 0
            if key.pairs is None:
                self.pairs = None
            elif self.pairs is not None:
                self.pairs |= dict.fromkeys(sorted(key.pairs))
            yield key


def revised(operations: Iterable[Operation], ontology: Ontology | None) -> Ontology | None:
    """Return what the operations make of an ontology, or None when one of them cannot tell."""
    for operation in operations:
        if ontology is None:
            return None
        ontology = operation.revise(ontology)
    return ontology


def missing_classes(
    seen: Seen, operations: Iterable[Operation], target: Ontology | None, features: Features
) -> list[str]:
    """Explain every class that the rows use and the target's ontology lacks.

    A shape that the target cannot hold at all is no missing class: it is a loss, named row by row.
    """
    drafted = revised(operations, draft(seen.pairs)) if seen.pairs is not None else None
    if drafted is None or target is None:
        return []
    return [
        target.explain_missing(item.name, item.shape)
        for item in drafted.classes
        if item.shape in features.shapes and target.find(item.name, item.shape) is None
    ]


def check_classes(
    seen: Seen, operations: Iterable[Operation], target: Ontology | None, features: Features
) -> None:
    """Raise UsageError when a class is missing."""
    missing = missing_classes(seen, operations, target, features)
    if missing:
        more = f"\nand {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise UsageError("nothing was written:\n" + "\n".join(missing[:NAMED]) + more)
