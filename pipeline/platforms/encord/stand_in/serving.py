"""Puts the stand-in together: the project from a seed, both families of the API, the key, the address."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from aiohttp import web

from pipeline.platforms.encord.convert import write_ontology
from pipeline.platforms.encord.stand_in.access import Access, make_key
from pipeline.platforms.encord.stand_in.legacy import Legacy, kind_of
from pipeline.platforms.encord.stand_in.project import Project
from pipeline.platforms.encord.stand_in.rest import Rest
from pipeline.platforms.encord.stand_in.state import State
from pipeline.platforms.encord.stand_in.units import units_of
from pipeline.ports import Running, Seed
from pipeline.sandbox import Options, Sandbox, read_options
from pipeline.sandbox import serve as serve_service

TOKEN = "sandbox-token"  # noqa: S105 - opens nothing but a local stand-in


class EncordOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of Encord's stand-in."""

    kinds: dict[str, str] = msgspec.field(default_factory=dict)
    """The kind of rows by title, for kinds that a seed cannot say: `dicom`, `audio`, `pdf`."""
    editor: dict[str, Any] | None = None
    """The ontology's JSON as Encord has it, instead of one drafted from the seed."""
    token: str = TOKEN
    """The bearer token that the stand-in hands out and takes."""
    state: str | None = None
    """A file that keeps the project: one that exists is gone on with, its ontology in place of the seed's."""


class EncordService:
    """Both families for one project."""

    def __init__(self, project: Project, legacy: Legacy, rest: Rest, prefix: str) -> None:
        self._project = project
        self._legacy = legacy
        self._rest = rest
        self._prefix = prefix

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of both families."""
        legacy, rest, v2 = self._legacy, self._rest, self._prefix + "/v2/public"
        return (
            web.post(self._prefix + "/public", legacy.answer),
            web.post(self._prefix + "/public/user", legacy.answer),
            web.get(v2 + "/projects/{project}", rest.guard(rest.get_project)),
            web.post(v2 + "/projects/{project}/priorities", rest.guard(rest.set_priorities)),
            web.get(v2 + "/ontologies/{ontology}", rest.guard(rest.get_ontology)),
            web.get(v2 + "/user/bearer-token", rest.guard(rest.get_token)),
        )

    def kind(self, request: web.Request, body: bytes) -> str:
        """Name a request: `labelrow.POST`, or the path of a v2 request."""
        _, v2, path = request.path.partition("/v2/public/")
        if not v2:
            return kind_of(body)
        family, _, rest = path.partition("/")
        return f"{rest.partition('/')[2] or family}.{request.method}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give the rows as they are stored; `label_row` is None for one that was never initialised."""
        for row in self._project.rows.values():
            yield {
                "data_hash": row.unit.data_hash,
                "data_title": row.unit.title,
                "label_hash": row.label_hash,
                "label_row": msgspec.Raw(row.body) if row.body else None,
                "priority": row.priority,
            }

    def reset(self) -> None:
        """Take all labels away."""
        self._project.reset()


@asynccontextmanager
async def serve(seed: Seed, options: Mapping[str, Any]) -> AsyncIterator[Running]:
    """Serve a project with one row per row of the seed, until the context ends.

    The options are those of `EncordOptions`. A private key is written into the folder of keys.

    Raises:
        UsageError: an option is wrong, or the seed has classes or rows that Encord does not know.
    """
    chosen = read_options(EncordOptions, options)
    with ExitStack() as stack:
        folder = Path(chosen.keys or stack.enter_context(TemporaryDirectory(prefix="labelferry-keys-")))
        key_file, key = make_key(folder)
        state = None if chosen.state is None else State(Path(chosen.state))
        kept = None if state is None else state.editor
        editor = kept or chosen.editor or write_ontology(seed.ontology)
        project = Project(chosen.title, editor, units_of(seed.rows, chosen.kinds))
        sandbox, access = Sandbox(chosen), Access((key,), frozenset({chosen.token}))
        if state is not None:
            state.serve(project)
            stack.callback(state.close)
        prefix = chosen.prefix.rstrip("/")
        rest = Rest(project, access, sandbox, chosen.token)
        service = EncordService(project, Legacy(project, access, sandbox), rest, prefix)
        async with serve_service(service, sandbox) as address:
            url = address + prefix
            yield Running(
                url,
                f"encord:{project.hash}?url={url}",
                {"ENCORD_SSH_KEY_FILE": str(key_file.resolve())},
            )
