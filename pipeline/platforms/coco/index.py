"""Where every image and annotation of COCO files is, grouped by image, in a temporary SQLite file.

Only positions and what matching needs are kept; the JSON stays where it is.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from pipeline.core.geometry import Shape
from pipeline.errors import UsageError
from pipeline.io.parts import writing
from pipeline.platforms.coco.convert.categories import Categories, read_categories
from pipeline.platforms.coco.convert.geometry import rle_size
from pipeline.platforms.coco.convert.reading import stated
from pipeline.platforms.coco.scan import Piece, Scanner
from pipeline.platforms.coco.settings import Settings, Wanted
from pipeline.platforms.coco.wire import Json

_SHAPES = (Shape.POLYGON, Shape.MASK, Shape.SKELETON, Shape.BOX)
_TABLES = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
CREATE TABLE image (ordinal INTEGER PRIMARY KEY, key TEXT, title TEXT,
    file INTEGER, at INTEGER, size INTEGER);
CREATE TABLE annotation (ordinal INTEGER PRIMARY KEY, image TEXT, id TEXT, category TEXT, shapes INTEGER,
    pixels INTEGER, file INTEGER, at INTEGER, size INTEGER);
CREATE TABLE extent (image TEXT PRIMARY KEY, height INTEGER, width INTEGER) WITHOUT ROWID;
CREATE TABLE problem (image TEXT PRIMARY KEY, reason TEXT) WITHOUT ROWID;
"""
_SETTLE = """
CREATE INDEX image_key ON image (key);
CREATE INDEX annotation_image ON annotation (image, ordinal);
"""
_RESULT_IMAGES = """
INSERT INTO image (key, title) SELECT image, image FROM annotation GROUP BY image ORDER BY min(ordinal);
"""
_UNUSED = "DELETE FROM image WHERE key NOT IN (SELECT image FROM annotation)"
_PROBLEMS = """
INSERT OR IGNORE INTO problem SELECT key, count(*) || ' images have this id' FROM image
    GROUP BY key HAVING count(*) > 1;
INSERT OR IGNORE INTO problem
    SELECT image, count(*) || ' annotations name this image, which is not among images' FROM annotation
    WHERE image NOT IN (SELECT key FROM image) GROUP BY image;
CREATE TEMP TABLE twice AS SELECT id FROM annotation WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1;
INSERT OR IGNORE INTO problem SELECT image, 'annotation id ' || min(id) || ' is there more than once'
    FROM annotation WHERE id IN (SELECT id FROM twice) GROUP BY image;
"""
BATCH = 5000


@dataclass(frozen=True, slots=True)
class Entry:
    """One image: its key and title, what is wrong with it, and class id, shape, mask pixels of its labels."""

    ordinal: int
    key: str
    title: str
    problem: str | None
    labels: tuple[tuple[str, Shape, int], ...]


@dataclass(slots=True)
class _Found:
    """What one file is, known when it was read."""

    results: bool = False
    categories: Categories | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    sections: set[str] = field(default_factory=set)


class CocoIndex:
    """The index of some files. Made by `build`; threads may use it one at a time."""

    def __init__(self, path: Path, settings: Settings) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._path = path
        self._settings = settings
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript(_TABLES)
        self._in_use = Lock()
        self._ended = False
        self._files: list[Path] = []
        self._descriptors: list[int] = []
        self._stamps: list[tuple[int, int]] = []
        self._seen_pairs: set[tuple[str, Shape]] = set()
        self.results = False
        self.categories = Categories({}, given=False)
        self.extras: dict[str, Any] = {}

    def build(self) -> None:
        """Read every file once. Raises UsageError for what is not there, not JSON, or not COCO."""
        with self._in_use, writing(self._path):
            self._check_open()
            self._build()

    def some(self, entries: Iterator[Entry], at_most: int) -> list[Entry]:
        """Take some of `entries`, in a thread."""
        with self._in_use:
            self._check_open()
            return list(islice(entries, at_most))

    def _check_open(self) -> None:
        # asyncio can cancel a task whose thread goes on. To close what it uses would end the interpreter.
        if self._ended:
            raise UsageError("the index of the COCO file was closed while it was in use")

    def _build(self) -> None:
        settings = self._settings
        found = [self._read(path, settings.geometry) for path in settings.files]
        self.results = found[0].results
        if len(found) > 1 and not all(one.results for one in found):
            raise UsageError("several files are read together only if all are results files (lists)")
        if settings.images is not None:
            if not self.results:
                raise UsageError("`images` is for results files; an instances file has images of its own")
            found.insert(0, self._read(settings.images.expanduser(), None))
        known = found[0]
        if known.categories is not None:
            self.categories = known.categories
        elif not self.results:
            self.categories = Categories({})
        self.extras = known.extras
        run = self._database.executescript
        run(_SETTLE)
        if self._settings.images is not None and "images" in known.sections:
            run(_UNUSED)
        elif self.results:
            run(_RESULT_IMAGES)
        run(_PROBLEMS)

    @property
    def pairs(self) -> set[tuple[str, Shape]]:
        """Every pair of category id and shape met in the annotations."""
        return self._seen_pairs

    def entries(self) -> Iterator[Entry]:
        """Give every image in file order, then one for each image that is missing."""
        rows = self._database.execute(
            "SELECT i.ordinal, i.key, i.title, p.reason, a.category, a.shapes, a.pixels FROM image i"
            " LEFT JOIN problem p ON p.image = i.key LEFT JOIN annotation a ON a.image = i.key"
            " ORDER BY i.ordinal, a.ordinal"
        )
        yield from _grouped(rows)
        last = self._database.execute("SELECT coalesce(max(ordinal), 0) FROM image").fetchone()[0]
        missing = self._database.execute(
            "SELECT image, reason FROM problem WHERE image NOT IN (SELECT key FROM image) ORDER BY image"
        )
        for place, (key, reason) in enumerate(missing, last + 1):
            yield Entry(place, key, key, reason, ())

    def load(self, key: str) -> tuple[bytes | None, list[bytes], tuple[int, int] | None]:
        """Return an image's JSON (None for results), its annotations' in file order, a size from elsewhere.

        Raises UsageError if a file was changed since it was indexed.
        """
        self._check_stamps()
        image = self._database.execute("SELECT file, at, size FROM image WHERE key = ?", (key,)).fetchone()
        spans = self._database.execute(
            "SELECT file, at, size FROM annotation WHERE image = ? ORDER BY ordinal", (key,)
        )
        size = self._database.execute("SELECT height, width FROM extent WHERE image = ?", (key,)).fetchone()
        whole = self._bytes(*image) if image and image[0] is not None else None
        return whole, [self._bytes(*span) for span in spans], size

    def close(self) -> None:
        """Close and remove the index. What a thread still does with it ends before."""
        self._ended = True
        self._database.interrupt()
        with self._in_use:
            self._close()

    def _close(self) -> None:
        self._database.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        self._path.unlink(missing_ok=True)

    # ---- reading a file -------------------------------------------------------------------------------

    def _read(self, path: Path, wanted: Wanted | None) -> _Found:
        """Index one file; without `wanted` it gives images, categories and sizes only."""
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name the COCO file in it")
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise _unreadable(path, error) from error
        number = len(self._files)
        self._files.append(path)
        self._descriptors.append(descriptor)
        self._stamps.append(self._stamp(descriptor))
        found = _Found()
        with path.open("rb") as file:
            scanner = Scanner(path, file)
            self._database.execute("BEGIN")
            images: list[tuple[Any, ...]] = []
            annotations: list[tuple[Any, ...]] = []
            for piece in _readable(path, scanner):
                self._check_open()
                if not piece.element:
                    _whole(path, piece, found)
                elif piece.section == "images":
                    images.append(self._image(path, number, piece))
                elif wanted is None:
                    self._extent(path, piece)
                else:
                    annotations.append(self._annotation(path, number, piece, wanted))
                if len(images) + len(annotations) >= BATCH:
                    self._store(images, annotations)
            self._store(images, annotations)
            self._database.execute("COMMIT")
        found.results, found.sections = scanner.is_list, scanner.sections
        if not found.results and not found.sections & {"images", "annotations"}:
            raise UsageError(f"{path} is not COCO: it is an object without `images` and `annotations`")
        return found

    def _store(self, images: list[tuple[Any, ...]], annotations: list[tuple[Any, ...]]) -> None:
        put = self._database.executemany
        put("INSERT INTO image (key, title, file, at, size) VALUES (?, ?, ?, ?, ?)", images)
        put(
            "INSERT INTO annotation (image, id, category, shapes, pixels, file, at, size)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            annotations,
        )
        images.clear()
        annotations.clear()

    def _image(self, path: Path, number: int, piece: Piece) -> tuple[Any, ...]:
        value = piece.value
        if not isinstance(value, dict) or type(value.get("id")) not in (int, str):
            raise UsageError(f"{path} is not COCO: an element of images has no id, at byte {piece.start}")
        name = value.get("file_name")
        if isinstance(name, str) and not name.isascii():
            name = json.loads(piece.data)["file_name"]
        title = name if isinstance(name, str) else str(value["id"])
        return str(value["id"]), title, number, piece.start, len(piece.data)

    def _annotation(self, path: Path, number: int, piece: Piece, wanted: Wanted) -> tuple[Any, ...]:
        value = piece.value
        if not isinstance(value, dict) or type(value.get("image_id")) not in (int, str):
            raise UsageError(f"{path} is not COCO: an annotation has no image_id, at byte {piece.start}")
        category = str(value.get("category_id"))
        shapes = [shape for _, shape in stated(value, wanted)]
        self._seen_pairs.update((category, shape) for shape in shapes)
        flags = sum(1 << _SHAPES.index(shape) for shape in shapes)
        height, width = _mask_size(value)
        identity = str(value["id"]) if "id" in value else None
        image = str(value["image_id"])
        return (
            image,
            identity,
            category,
            flags,
            min(height * width, 1 << 40),
            number,
            piece.start,
            len(piece.data),
        )

    def _extent(self, path: Path, piece: Piece) -> None:
        if not isinstance(piece.value, dict) or "image_id" not in piece.value:
            raise UsageError(f"{path} is not COCO: an annotation has no image_id, at byte {piece.start}")
        height, width = _mask_size(piece.value)
        if 0 < height < 1 << 32 and 0 < width < 1 << 32:
            self._database.execute(
                "INSERT OR IGNORE INTO extent VALUES (?, ?, ?)", (str(piece.value["image_id"]), height, width)
            )

    # ---- bytes ----------------------------------------------------------------------------------------

    def _bytes(self, file: int, at: int, size: int) -> bytes:
        return os.pread(self._descriptors[file], size, at)

    @staticmethod
    def _stamp(descriptor: int) -> tuple[int, int]:
        status = os.fstat(descriptor)
        return status.st_size, status.st_mtime_ns

    def _check_stamps(self) -> None:
        for path, descriptor, stamp in zip(self._files, self._descriptors, self._stamps, strict=True):
            if self._stamp(descriptor) != stamp:
                raise UsageError(f"{path} was changed while it was read; run the job again")


def _readable(path: Path, scanner: Scanner) -> Iterator[Piece]:
    """Give the pieces of a file. Raises UsageError where it cannot be read on, or is none."""
    try:
        yield from scanner.pieces()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot read {path}: {error.strerror or error}")


def _whole(path: Path, piece: Piece, found: _Found) -> None:
    if piece.section in ("images", "annotations"):
        raise UsageError(f"{path} is not COCO: {piece.section} is not a list, at byte {piece.start}")
    try:
        value = msgspec.json.decode(piece.data)
        if piece.section == "categories":
            found.categories = read_categories(value)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error
    found.extras[piece.section] = value


def _mask_size(value: Json) -> tuple[int, int]:
    segmentation = value.get("segmentation")
    try:
        return rle_size(segmentation) if isinstance(segmentation, dict) else (0, 0)
    except ValueError:
        return 0, 0


def _grouped(rows: Iterable[Sequence[Any]]) -> Iterator[Entry]:
    current: Sequence[Any] | None = None
    labels: list[tuple[str, Shape, int]] = []
    for row in rows:
        if current is not None and row[0] != current[0]:
            yield _entry(current, labels)
            labels = []
        current = row
        _, _, _, _, category, flags, pixels = row
        if flags:
            labels += [(category, shape, pixels) for place, shape in enumerate(_SHAPES) if flags >> place & 1]
    if current is not None:
        yield _entry(current, labels)


def _entry(row: Sequence[Any], labels: Sequence[tuple[str, Shape, int]]) -> Entry:
    ordinal, key, title, problem = row[:4]
    return Entry(ordinal, key, title, problem, tuple(labels))
