"""The job: what is moved, from where to where, and how."""

from collections.abc import AsyncIterable, Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from pipeline.core.labels import LabelRow
from pipeline.core.losses import LossKind
from pipeline.core.rows import MediaMode, Mode
from pipeline.errors import UsageError
from pipeline.job.address import Address, parse_address
from pipeline.job.document import read_yaml
from pipeline.job.explanation import explain, is_secret, shown
from pipeline.job.fingerprint import fingerprint_of
from pipeline.job.quantities import byte_count, seconds
from pipeline.job.steps import operation, operations_of
from pipeline.ports import MatchRule, Operation, RowChoice

__all__ = [
    "Address",
    "Engine",
    "Job",
    "Match",
    "Rows",
    "explain",
    "from_addresses",
    "operation",
    "parse_address",
]

GivenRows: TypeAlias = Iterable[LabelRow] | AsyncIterable[LabelRow]

_WHERE: ContextVar[str] = ContextVar("where", default="job")


class Section(BaseModel):
    """What all parts of a job share: no unknown keys, no changes afterwards."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )


class Match(Section):
    """How source rows find their place: title, path, external_id or a metadata key."""

    by: Annotated[str, Field(min_length=1)] = "title"

    def rule(self) -> MatchRule:
        """Return the rule that platforms are given."""
        return MatchRule(self.by)


class Rows(Section):
    """Which rows, and how many at most."""

    titles: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    limit: Annotated[int, Field(ge=1)] | None = None

    def choice(self) -> RowChoice:
        """Return the choice that platforms are given."""
        return RowChoice(self.titles, self.ids, self.status, self.limit)


class Engine(Section):
    """How hard to work. Absent: rate and concurrency tune themselves, workers are as many as processors.

    With `workers: 0` masks are encoded in a thread, and no process is started.
    """

    bundle_rows: Annotated[int, Field(ge=1, le=1000)] = 1000
    bundle_bytes: Annotated[int, BeforeValidator(byte_count)] = 8 * 1024 * 1024
    linger: Annotated[float, BeforeValidator(seconds)] = 2.0
    requests_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    concurrency: Annotated[int, Field(ge=1)] | None = None
    workers: Annotated[int, Field(ge=0)] | None = None


class Job(Section):
    """One job, checked. Every mistake in it is a UsageError.

    `source` and `target` are a platform with its settings, which the platform itself checks later. From
    Python, `source` may be any iterable or async iterable of LabelRow, and `operations` may hold functions.
    A job without `source` edits the target's own rows.
    """

    name: Annotated[str, Field(min_length=1)]
    source: Any = Field(default=None, repr=False)
    target: Any = Field(repr=False)
    match: Match = Match()
    rows: Rows = Rows()
    media: MediaMode = MediaMode.MATCH
    mode: Literal[Mode.REPLACE, Mode.APPEND, Mode.SKIP] | None = None
    allow_losses: frozenset[LossKind] = frozenset()
    require_answers: bool = False
    operations: tuple[Any, ...] = ()
    engine: Engine = Engine()
    journal: str = Field(default="sqlite:///labelferry.db", repr=False)

    _sections: ClassVar[Mapping[str, type[Section]]] = {"match": Match, "rows": Rows, "engine": Engine}

    def __init__(self, **parts: Any) -> None:  # noqa: ANN401 - the fields above
        try:
            super().__init__(**parts)
        except ValidationError as error:
            known = {name: tuple(kind.model_fields) for name, kind in self._sections.items()}
            raise explain(error, _WHERE.get(), {"": tuple(type(self).model_fields), **known}) from None
        if self.source is None and self.mode is not None:
            raise UsageError(
                f"{_WHERE.get()}: mode: found {self.mode.value!r}, but a job without a source edits the "
                "target's own rows and has no mode; remove `mode`, or give a `source`"
            )
        if self.source is None and self.media is not MediaMode.MATCH:
            raise UsageError(
                f"{_WHERE.get()}: media: found {self.media.value!r}, but a job without a source edits the "
                "target's own rows and creates none; remove `media`, or give a `source`"
            )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a job file. Without a `name` the job has the name of the file. Raises UsageError."""
        place = Path(path)
        found = read_yaml(place)
        if not isinstance(found, Mapping):
            raise UsageError(
                f"{place}: found {shown(found)}, expected the keys of a job (target, source, ...)"
            )
        return cls.from_mapping({"name": place.stem, **found}, where=str(place))

    @classmethod
    def from_mapping(cls, parts: Mapping[str, Any], where: str = "job") -> Self:
        """Make a job of the keys of a job file; `where` stands before every message. Raises UsageError."""
        for key in parts:
            if not isinstance(key, str):
                raise UsageError(f"{where}: key {key!r}: expected a name; put it in quotes")
        token = _WHERE.set(where)
        try:
            return cls(**parts)
        finally:
            _WHERE.reset(token)

    def fingerprint(self) -> dict[str, str]:
        """Return blake2 of each part that decides what is written: not name, engine, journal, and secrets.

        A function counts by its name and its source text, rows from Python by nothing.
        """
        decided = {name: getattr(self, name) for name in type(self).model_fields if name not in _NOT_DECIDING}
        sides = {name: _without_secrets(getattr(self, name)) for name in ("source", "target")}
        return {name: fingerprint_of(value) for name, value in {**decided, **sides}.items()}

    @property
    def journal_path(self) -> Path:
        """The file of an SQLite journal; for a database elsewhere, where such a file would be."""
        _, mark, path = self.journal.partition("sqlite:///")
        return Path(path) if mark else Path("labelferry.db")

    @field_validator("source", "target", mode="before")
    @classmethod
    def _side(cls, value: object, info: Any) -> object:  # noqa: ANN401 - pydantic's ValidationInfo
        given = value is None or isinstance(value, Address)
        if info.field_name == "source" and (given or _gives_rows(value)):
            return value
        if isinstance(value, Address):
            return value
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ValueError(
                f"found {shown(value)}, expected a platform and its settings, {{platform: ..., ...}}"
            )
        platform = value.get("platform")
        if not isinstance(platform, str) or not platform:
            raise ValueError("the key `platform` is missing; `labelferry platforms` names them all")
        return dict(value)

    @field_validator("operations", mode="before")
    @classmethod
    def _operations(cls, value: object) -> tuple[Operation, ...]:
        return operations_of(() if value is None else value, _WHERE.get())

    @field_validator("journal")
    @classmethod
    def _journal(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://", "postgresql+")) or value == "sqlite:///":
            scheme = value.partition(":")[0]
            raise ValueError(f"found {scheme!r}, expected sqlite:///FILE")
        return value


_NOT_DECIDING = frozenset({"name", "engine", "journal"})


def _without_secrets(side: object) -> object:
    if isinstance(side, Address):
        return [str(side), _without_secrets(side.settings)]
    if isinstance(side, Mapping):
        return {key: value for key, value in side.items() if not is_secret(key)}
    return None if side is None else "rows"


def _gives_rows(value: object) -> bool:
    rows = isinstance(value, Iterable | AsyncIterable)
    return rows and not isinstance(value, str | bytes | Mapping)


def from_addresses(source: str, target: str, **parts: Any) -> Job:  # noqa: ANN401 - the other keys of a job
    """Return the job of `copy`, named by its two addresses as they are told. Raises UsageError."""
    start, end = parse_address(source), parse_address(target)
    return Job.from_mapping(
        {"name": f"{start} -> {end}", "source": start, "target": end, **parts}, where="copy"
    )
