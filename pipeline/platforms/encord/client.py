"""Encord's API as far as labels need it: builds requests, and sends them through the channel."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from pipeline.errors import TransientError
from pipeline.platforms.encord.listing import SMALL, Answered, Listed, Spool
from pipeline.platforms.encord.settings import Settings
from pipeline.platforms.encord.signing import Credentials
from pipeline.platforms.encord.verdict import judge_legacy, judge_rest
from pipeline.platforms.encord.wire import Json
from pipeline.ports import Answer, Channel, Limits, Ok, Request

LIMITS = Limits(max_rows=1000, max_bytes=8 * 1024 * 1024, open_rows=1000, rate_ceiling=50.0, address="`url`")
LISTED_AT_ONCE = 1000
READS = 3
"""Times that a listing is read from its beginning when reading breaks off."""

_FILTERS: Mapping[str, Any] = {
    "edited_before": None,
    "edited_after": None,
    "label_statuses": None,
    "shadow_data_state": None,
    "include_uninitialised_labels": True,
    "data_hashes": None,
    "label_hashes": None,
    "data_title_eq": None,
    "data_title_like": None,
    "workflow_graph_node_title_eq": None,
    "workflow_graph_node_title_like": None,
    "include_client_metadata": False,
    "include_images_data": False,
    "include_children": False,
    "include_workflow_graph_node": True,
    "include_all_label_branches": False,
    "branch_name": None,
    "client_metadata_as_signed_url": False,
}
_LOAD: Mapping[str, Any] = {
    "get_signed_url": False,
    "multi_request": True,
    "include_object_feature_hashes": None,
    "include_classification_feature_hashes": None,
    "include_reviews": False,
    "include_export_history": False,
    "include_archived": False,
}

Value = TypeVar("Value")


class ProjectInfo(msgspec.Struct, frozen=True, rename="camel"):
    """What is needed of a project."""

    title: str
    ontology_hash: str


class OntologyInfo(msgspec.Struct, frozen=True):
    """What is needed of an ontology: its title and the JSON of its editor."""

    title: str
    editor: dict[str, Any]


class Rows(msgspec.Struct):
    """Label rows in an answer, in any order."""

    response: list[Json]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a listing is asked for beside the rows themselves."""

    metadata: bool = False
    images: bool = False


class Client:
    """One project of Encord. Every method raises what the channel raises."""

    def __init__(
        self,
        channel: Channel,
        settings: Settings,
        credentials: Credentials,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._channel = channel
        self._base = settings.url
        self._project = settings.project
        self._branch = settings.branch
        self._credentials = credentials
        self._clock = clock

    # ---- REST v2 --------------------------------------------------------------------------------------

    async def project(self, tries: int | None = None) -> ProjectInfo:
        """Return the project. A project that does not exist is a UsageError."""
        return await self._get(f"projects/{self._project}", ProjectInfo, tries)

    async def ontology(self, ontology_hash: str) -> OntologyInfo:
        """Return an ontology."""
        return await self._get(f"ontologies/{quote(ontology_hash, safe='')}", OntologyInfo)

    async def _get(self, path: str, kind: type[Value], tries: int | None = None) -> Value:
        url = f"{self._base}/v2/public/{path}"

        def build() -> Request:
            headers = self._credentials.rest("GET", url, b"", int(self._clock()))
            return Request("GET", url, {"Accept": "application/json", **headers})

        answer = await self._channel.send(path.partition("/")[0] + ".GET", build, judge_rest, tries=tries)
        return _decode(answer.body, kind)

    # ---- the legacy family ----------------------------------------------------------------------------

    async def list_all(self, spool: Spool, wanted: Wanted) -> None:
        """Read the listing of the whole project into a spool."""
        body = self._query("labelrowmetadata", "GET", None, self._filters(wanted))
        build = partial(self._legacy, body)
        for left in reversed(range(READS)):
            spool.clear()
            try:
                async with self._channel.stream("labelrowmetadata.GET", build, judge_legacy) as pieces:
                    async for piece in pieces:
                        spool.write(piece)
                break
            except TransientError:
                if not left:
                    raise
        if spool.size <= SMALL and not isinstance(judge_legacy(Answer(200, {}, spool.head())), Ok):
            # The error is in the body of a good answer, which a stream does not show to the channel.
            answer = await self._channel.send("labelrowmetadata.GET", build, judge_legacy)
            spool.clear()
            spool.write(answer.body)

    async def list_some(self, data_hashes: Sequence[str], wanted: Wanted = Wanted()) -> list[Listed]:
        """Return the rows of these data hashes that the project has, in no particular order."""
        found: list[Listed] = []
        for start in range(0, len(data_hashes), LISTED_AT_ONCE):
            some = list(data_hashes[start : start + LISTED_AT_ONCE])
            body = self._query("labelrowmetadata", "GET", None, self._filters(wanted, data_hashes=some))
            build = partial(self._legacy, body)
            answer = await self._channel.send("labelrowmetadata.GET", build, judge_legacy)
            found += _decode(answer.body, Answered).response
        return found

    async def create(
        self,
        remaining: Callable[[], Sequence[str]],
        rows: Mapping[str, str],
        settle: Callable[[], Awaitable[Answer | None]],
    ) -> list[Json]:
        """Initialise rows that never were, and return their label rows in no particular order.

        `remaining` gives the data hashes at the time of each attempt. Not idempotent: `settle` is asked
        before an attempt is repeated that may have been carried out.
        """
        payload = {"multi_request": True, "get_signed_url": False, "branch_name": self._branch}

        def build() -> Request:
            return self._legacy(self._query("labelrow", "PUT", remaining(), payload))

        judge = partial(judge_legacy, rows=rows, value=True)
        answer = await self._channel.send("labelrow.PUT", build, judge, settle=settle)
        return _decode(answer.body, Rows).response

    async def load(self, label_hashes: Sequence[str], rows: Mapping[str, str]) -> tuple[list[Json], int]:
        """Return the label rows of these label hashes, in no particular order, and the bytes that they took.

        Some may be missing.
        """
        build = partial(self._legacy, self._query("labelrow", "GET", label_hashes, _LOAD))
        judge = partial(judge_legacy, rows=rows, value=True)
        answer = await self._channel.send("labelrow.GET", build, judge)
        return _decode(answer.body, Rows).response, len(answer.body)

    async def save(
        self,
        label_hashes: Sequence[str],
        labels: Sequence[bytes],
        rows: Mapping[str, str],
        tries: int | None = None,
    ) -> None:
        """Replace label rows, one at least; `labels` are their JSON, in the order of the hashes."""
        uid = msgspec.json.encode(label_hashes)
        head = b'{"query_type":"labelrow","query_method":"POST","values":{"uid":%b,"payload":' % uid

        def build() -> Request:
            # Joined for each attempt and not kept, so that a bundle in back-off holds its rows once; in one
            # step, as a body of some megabytes takes its time to be copied.
            rows = list(labels)
            rows[0] = head + b'{"multi_request":true,"labels":[' + rows[0]
            rows[-1] += b'],"validate_before_saving":false}}}'
            return self._legacy(b",".join(rows))

        judge = partial(judge_legacy, rows=rows, value=True)
        await self._channel.send("labelrow.POST", build, judge, tries=tries)

    def _legacy(self, body: bytes) -> Request:
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "ResourceType": "project",
            "ResourceID": self._project,
            **self._credentials.legacy(body),
        }
        return Request("POST", f"{self._base}/public", headers, body)

    def _filters(self, wanted: Wanted, **filters: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
        return {
            **_FILTERS,
            "branch_name": None if self._branch == "main" else self._branch,
            "include_client_metadata": wanted.metadata,
            "include_images_data": wanted.images,
            **filters,
        }

    @staticmethod
    def _query(kind: str, method: str, uid: Sequence[str] | None, payload: Mapping[str, Any]) -> bytes:
        values = {"uid": uid, "payload": payload}
        return msgspec.json.encode({"query_type": kind, "query_method": method, "values": values})


def _decode(body: bytes, kind: type[Value]) -> Value:
    """Decode an answer that was judged good. One that does not hold what it should is worth no retry."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        text = f"an answer of Encord is not as expected: {error}; is it Encord? check `url`"
        raise TransientError(text, unknown=True) from error
