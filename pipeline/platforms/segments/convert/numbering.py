"""Which numbers each object of a row gets: its id, and that of its track.

Numbers that came from Segments.ai are kept, and so are those of a picture of instances from Python. All
others are derived from the target row, the source row and the object: the same in every run.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from pipeline.core.instances import Instance, InstanceMap
from pipeline.core.labels import ObjectInstance
from pipeline.core.losses import Loss, LossKind, Note
from pipeline.core.rows import EditedRow
from pipeline.errors import RowError
from pipeline.platforms.segments.convert.numeric import whole
from pipeline.platforms.segments.convert.project import Numbered, Numbers, json_of
from pipeline.platforms.segments.wire import MAX_ID, PLATFORM, Json


def number_of(*parts: str) -> int:
    """Return a number from 1 to 2^24 - 1 that is derived from the parts."""
    digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return 1 + int.from_bytes(digest, "big") % MAX_ID


def annotations_of(item: ObjectInstance) -> Mapping[str, Json]:
    """Return the annotations that an object came with from Segments.ai, by frame; none for any other."""
    raw = item.raw
    return {} if raw is None or raw.platform != PLATFORM else json_of(raw.data.get("frames"))


def own_numbers(item: ObjectInstance) -> Numbered | None:
    """Return the numbers that an object came with, or None where it came with none, or with broken ones."""
    ids: dict[int, int] = {}
    track = None
    for frame, annotation in annotations_of(item).items():
        found, at = whole(json_of(annotation).get("id")), whole(frame)
        if found is None or at is None:
            return None
        ids[at[0]] = found[0]
        said = whole(json_of(annotation).get("track_id"))
        track = said[0] if track is None and said is not None else track
    if not ids:
        return _pictured(item)
    kept = whole(item.raw.data.get("number")) if item.raw is not None else None
    number = next(iter(ids.values())) if kept is None else kept[0]
    return Numbered(number, ids, number if track is None else track)


def _pictured(item: ObjectInstance) -> Numbered | None:
    """The number of an object that is drawn by a picture of instances, the same on all its frames."""
    numbers = {
        one.geometry.number
        for one in item.occurrences.values()
        if isinstance(one.geometry, Instance) and isinstance(one.geometry.of, InstanceMap)
    }
    if len(numbers) != 1 or not 1 <= (number := next(iter(numbers))) <= MAX_ID:
        return None
    return Numbered(number, {}, number)


class Numbering:
    """Gives the objects of one row their numbers, those of the opened row first.

    `moving`: the row is a sequence, in which a track is an object.
    """

    def __init__(self, row: EditedRow, *, moving: bool) -> None:
        self._row = row
        self._moving = moving
        self._whose = row.place.id, row.key.key
        self._taken: set[int] = set()
        self._before: frozenset[int] = frozenset()
        self._numbers: set[tuple[str | None, int]] = set()
        self._spots: set[tuple[str | None, int, int]] = set()
        self._tracks: set[tuple[object, ...]] = set()
        self._found: dict[str, Numbered] = {}
        self._losses: list[Loss] = []
        self._notes: list[Note] = []

    def result(self) -> Numbers:
        """Return the numbers that were given."""
        return Numbers(self._found, tuple(self._losses), tuple(self._notes))

    def derived(self, name: str, part: int = 0) -> int:
        """Return the number that the object of this id gets if it has none, and nothing else has it."""
        return number_of(*self._whose, name, str(part))

    def note(self, item: ObjectInstance, what: str, why: str) -> None:
        """Say something about an object of the row."""
        self._notes.append(Note(self._row.key.key, item.id, what, why))

    def give(self, items: Sequence[ObjectInstance], seeds: Mapping[str, str] | None = None) -> None:
        """Number the objects of one row. Numbers of a row before it are not given again.

        `seeds` has the ids that numbers are derived from where those are not the objects' own. Raises
        RowError for an id that two objects have.
        """
        self._before = frozenset(self._taken)
        rest = []
        names: set[str] = set(self._found)
        for item in items:
            if item.id in names:
                title = self._row.row.title or self._row.key.key
                raise RowError(f"row {title!r}: two objects have the id {item.id!r}; give one another id")
            names.add(item.id)
            own = own_numbers(item)
            if own is None or not self._keep(item, own):
                rest.append(item)
        for item in rest:
            self._derive(item, (seeds or {}).get(item.id, item.id))

    def _keep(self, item: ObjectInstance, own: Numbered) -> bool:
        """Keep the numbers that an object came with, unless another object has them."""
        spots = {(item.sensor, at, own.ids.get(at, own.number)) for at in item.occurrences}
        if (item.sensor, own.number) in self._numbers or not spots.isdisjoint(self._spots):
            return False
        if not self._before.isdisjoint((own.number, own.track, *own.ids.values())):
            return False
        if item.track is not None and item.track != str(own.track):
            own = own._replace(track=self._track(item, own.number))
        self._claim(item, own, spots)
        return True

    def _claim(
        self, item: ObjectInstance, numbers: Numbered, spots: Iterable[tuple[str | None, int, int]]
    ) -> None:
        self._found[item.id] = numbers
        self._numbers.add((item.sensor, numbers.number))
        self._spots.update(spots)
        self._taken.update((numbers.number, numbers.track), numbers.ids.values())
        if self._moving and item.occurrences:
            self._tracks.add(_kin(item, numbers.track))

    def _derive(self, item: ObjectInstance, seed: str) -> None:
        part, number = 0, self.derived(seed)
        while number in self._taken:
            part += 1
            number = self.derived(seed, part)
        track = self._track(item, number)
        self._claim(item, Numbered(number, {}, track), [(item.sensor, at, number) for at in item.occurrences])

    def _track(self, item: ObjectInstance, number: int) -> int:
        """The number of the track of an object: that which its track says, else its own."""
        if item.track is None or not item.occurrences:
            return number
        said = whole(item.track)
        known = said is not None and str(said[0]) == item.track and 0 <= said[0] < 1 << 53
        free = known and said is not None and said[0] not in self._before
        track = said[0] if said is not None and free else number_of(*self._whose, "track", item.track)
        if self._moving and _kin(item, track) in self._tracks:
            # A second object of this class on the track would be read as one with the first.
            why = f"another {item.class_name!r} has the track {item.track!r}; it gets the track {number}"
            self._losses.append(Loss(self._row.key.key, item.id, LossKind.TRACK, why))
            return number
        if not free:
            why = "is that of another object" if known else "is no number"
            self.note(item, "track", f"the track {item.track!r} {why}; it becomes {track}")
        return track


def _kin(item: ObjectInstance, track: int) -> tuple[object, ...]:
    return item.sensor, track, item.class_name, item.shape
