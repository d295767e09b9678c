"""The rows of part files, in source order, as the pieces of one COCO file."""

from array import array
from collections.abc import Callable, Iterable, Iterator

import msgspec
import numpy as np

from pipeline.core.ontology import Ontology
from pipeline.platforms.coco.convert.categories import Numbering, own_json
from pipeline.platforms.coco.settings import Style
from pipeline.platforms.coco.wire import Id, Json, PartRow

_row_decoder = msgspec.json.Decoder(PartRow)
_encode = msgspec.json.Encoder().encode
_LARGEST = 2**63 - 1

Rows = Callable[[], Iterable[bytes]]
"""Gives the rows from the first one on, each time it is called."""


class Ids:
    """Gives every item its id: its own where that is free, else the next number above all of them."""

    def __init__(self) -> None:
        self._own = array("q")
        self._names: set[str] = set()
        self._twice: set[int] = set()
        self._given: set[Id] = set()
        self._last = 0

    def meet(self, own: Id | None) -> None:
        """Note an item's own id, before any is given."""
        if isinstance(own, int) and 0 <= own <= _LARGEST:
            self._own.append(own)

    def settle(self) -> None:
        """All items were met; start to give."""
        numbers = np.sort(np.frombuffer(self._own, np.int64)) if self._own else np.empty(0, np.int64)
        self._twice = set(numbers[1:][numbers[1:] == numbers[:-1]].tolist())
        self._last = int(numbers[-1]) if numbers.size else 0

    def give(self, own: Id | None) -> Id:
        """Return the id of the next item; items come in the order in which they were met."""
        free = isinstance(own, str) or (isinstance(own, int) and 0 <= own <= _LARGEST)
        if own is not None and free and own not in self._given:
            if isinstance(own, str) or own in self._twice:
                self._given.add(own)
            return own
        self._last += 1
        return self._last

    def restarted(self) -> "Ids":
        """Return the same ids, to be given from the first item on again."""
        again = Ids()
        again._own, again._twice = self._own, self._twice
        again.settle()
        return again


def joined(rows: Rows, ontology: Ontology | None, style: Style) -> Iterator[bytes]:
    """Give the file in pieces; the rows are read three times, one at a time, so that memory stays flat."""
    images, annotations = Ids(), Ids()
    numbering = Numbering(ontology, shared=style is Style.RESULTS)
    for data in rows():
        row = _row_decoder.decode(data)
        images.meet(row.id)
        for item in row.annotations:
            annotations.meet(item.id)
            numbering.meet(item.class_name, item.points, item.category)
    images.settle()
    annotations.settle()
    if style is Style.RESULTS:
        yield b"["
        yield from _listed(_annotations(rows, images, annotations, numbering))
        yield b"]\n"
        return
    extras = own_json(ontology.raw if ontology else None)
    extras = {
        name: value for name, value in extras.items() if name not in ("images", "annotations", "categories")
    }
    yield b"{"
    for name, value in extras.items():
        yield b"%b:%b,\n" % (_encode(name), _encode(value))
    yield b'"images":['
    yield from _listed(_images(rows, images.restarted()))
    yield b'],\n"annotations":['
    yield from _listed(_annotations(rows, images, annotations, numbering))
    yield b'],\n"categories":['
    yield from _listed(map(_encode, numbering.categories()))
    yield b"]}\n"


def _listed(items: Iterable[bytes]) -> Iterator[bytes]:
    first = True
    for item in items:
        yield item if first else b",\n" + item
        first = False


def _images(rows: Rows, ids: Ids) -> Iterator[bytes]:
    for data in rows():
        row = _row_decoder.decode(data)
        image = msgspec.json.decode(row.image, type=Json)
        image["id"] = ids.give(row.id)
        yield _encode(image)


def _annotations(rows: Rows, images: Ids, ids: Ids, numbering: Numbering) -> Iterator[bytes]:
    for data in rows():
        row = _row_decoder.decode(data)
        image = images.give(row.id)
        for item in row.annotations:
            body = msgspec.json.decode(item.body, type=Json)
            if "id" in body:
                body["id"] = ids.give(item.id)
            body["image_id"] = image
            body["category_id"] = numbering.id_of(item.class_name, item.points)
            yield _encode(body)
