"""The routes of the service, behind one check of the key."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from aiohttp import web

from pipeline.platforms.segments.stand_in.answers import (
    NO_CREDENTIALS,
    Paths,
    Refused,
    absent,
    json_value,
    refusal,
)
from pipeline.platforms.segments.stand_in.storage import ROOT, Storage
from pipeline.platforms.segments.stand_in.world import World
from pipeline.sandbox import Sandbox

Answer: TypeAlias = Callable[[web.Request, bytes], web.Response]

_OWNED = 3
"""Parts of the path of a dataset itself."""


@dataclass(slots=True)
class Gate:
    """The key that is let in, and a throttle: the first `left` requests get 429.

    `headed`: with a Retry-After; `kinds`: only requests of these kinds, or of all where it is empty.
    """

    key: str
    left: int
    seconds: float
    headed: bool
    kinds: tuple[str, ...]

    def throttled(self, kind: str) -> web.Response | None:
        """Return the refusal, or None when the request may pass."""
        if not self.left or (self.kinds and kind not in self.kinds):
            return None
        self.left -= 1
        seconds = round(self.seconds)
        unit = "second" if seconds == 1 else "seconds"
        text = f"Request was throttled. Expected available in {seconds} {unit}."
        answer = refusal(Refused(429, text))
        if self.headed:
            answer.headers["Retry-After"] = str(seconds)
        return answer


class Part(Protocol):
    """A part of the service."""

    def paths(self) -> Paths:
        """Return what the service answers."""
        ...


class Api:
    """All of the service. `prefix` is before every path of it, and not before those of the storage."""

    def __init__(
        self, world: World, storage: Storage, parts: Sequence[Part], sandbox: Sandbox, gate: Gate, prefix: str
    ) -> None:
        self._world = world
        self._storage = storage
        self._parts = parts
        self._sandbox = sandbox
        self._gate = gate
        self._prefix = prefix

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of the service and of its storage."""
        for part in (*self._parts, self._storage, self):
            for method, path, answer in part.paths():
                yield web.route(method, self._prefix + path, self._guarded(answer))
        yield from self._storage.routes()

    def paths(self) -> Paths:
        """Return what the service answers about itself and its user."""
        yield "GET", "/api_status/", self._status
        for path in ("/user", "/user/", "/users/{user}", "/users/{user}/"):
            yield "GET", path, self._user

    def kind(self, request: web.Request, _: bytes) -> str:
        """Name a request by what it is about, and its method: `labels.PUT`, `samples.GET`, `storage.POST`.

        `samples` is the list of a dataset, `sample` one of them.
        """
        path = request.path
        if path.startswith(ROOT):
            return f"storage.{request.method}"
        parts = path.removeprefix(self._prefix).strip("/").split("/")
        name = parts[0]
        if name == "datasets":
            name = parts[3] if len(parts) > _OWNED else name
        elif name in {"user", "users", "organizations"}:
            name = "datasets" if parts[-1] == "datasets" else "user"
        elif name == "samples":
            name = "sample"
        return f"{name}.{request.method}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give every sample of every dataset, with its labels by labelset."""
        return self._world.rows()

    def reset(self) -> None:
        """Take all labels away."""
        self._world.reset()

    def _guarded(self, answer: Answer) -> Any:  # noqa: ANN401 - aiohttp's own kind of function
        gate, sandbox = self._gate, self._sandbox
        expected = f"APIKey {gate.key}"

        async def guarded(request: web.Request) -> web.Response:
            if gate.left and (refused := gate.throttled(self.kind(request, b""))) is not None:
                return refused
            if request.headers.get("Authorization") != expected or sandbox.faults.refuse_keys:
                return refusal(Refused(401, NO_CREDENTIALS))
            try:
                return answer(request, await request.read())
            except Refused as error:
                return refusal(error)

        return guarded

    def _status(self, _: web.Request, __: bytes) -> web.Response:
        return json_value({"status": "ok", "time": time.time()})

    def _user(self, request: web.Request, _: bytes) -> web.Response:
        name = request.match_info.get("user", self._world.user)
        if name != self._world.user:
            raise absent()
        return json_value(
            {
                "username": name,
                "created_at": "2026-01-01T00:00:00Z",
                "is_organization": False,
                "email": f"{name}@sandbox.local",
                "subscription": "ENTERPRISE",
                "is_trial_expired": False,
                "organizations": [],
            }
        )
