"""The methods of the service, behind one check of the token."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web

from pipeline.platforms.supervisely.stand_in.account import Account
from pipeline.platforms.supervisely.stand_in.annotations import Reading, told
from pipeline.platforms.supervisely.stand_in.answers import Answer, Methods, Refused, refusal
from pipeline.platforms.supervisely.stand_in.files import Files
from pipeline.platforms.supervisely.stand_in.world import World
from pipeline.sandbox import Sandbox

ROOT = "/public/api/v3/"
READ = frozenset({"figures.info", "figures.tags.list"})
"""Methods that are asked with GET as well, their arguments in the query."""
_AS_IS = Reading(with_custom_big_data=True, integer_coords=False)


class Part(Protocol):
    """A part of the service."""

    def methods(self) -> Methods:
        """Return what the service answers."""
        ...


class Api:
    """All of the service. `prefix` is before every path of it."""

    def __init__(
        self,
        world: World,
        files: Files,
        account: Account,
        parts: Sequence[Part],
        sandbox: Sandbox,
        token: str,
        prefix: str,
    ) -> None:
        self._world = world
        self._files = files
        self._account = account
        self._methods: dict[str, Answer] = {
            name: answer for part in (*parts, files, account) for name, answer in part.methods()
        }
        self._sandbox = sandbox
        self._token = token
        self._prefix = prefix

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of the service and of its storage."""
        yield web.post(self._prefix + ROOT + "{method}", self._answer)
        yield web.get(self._prefix + ROOT + "{method}", self._answer)
        yield web.post(self._prefix + "/api/account", self._account.log_in)
        yield web.get(self._prefix + "/", _front)
        yield from self._files.routes()

    def kind(self, request: web.Request, _: bytes) -> str:
        """Name a request by its method, `annotations.bulk.add`; others are account, storage and front."""
        found: str | None = request.match_info.get("method")
        if found is not None:
            return found
        path = request.path.removeprefix(self._prefix)
        return "account" if path == "/api/account" else "front" if path == "/" else "storage"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give every image with its annotation as it stands; masks that came apart are put in."""
        for image in self._world.every_image():
            found = told(image, _AS_IS)
            objects = [
                {**label, "bitmap": msgspec.json.decode(image.alphas[label["id"]])}
                if label["id"] in image.alphas
                else label
                for label in found["annotation"]["objects"]
            ]
            yield {
                "id": image.id,
                "name": image.name,
                "project": image.dataset.project.name,
                "projectId": image.dataset.project.id,
                "dataset": image.dataset.path,
                "hash": image.hash,
                "link": image.link,
                "meta": image.meta,
                "annotation": {**found["annotation"], "objects": objects},
            }

    def reset(self) -> None:
        """Take all annotations away."""
        self._world.reset()

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            self._let_in(request)
            answer = self._method(request)
            body = await request.read()
            if request.method == "GET":
                query = {key: int(value) for key, value in request.query.items() if value.isdecimal()}
                body = msgspec.json.encode(query)
            return answer(request, body)
        except Refused as error:
            return refusal(error)

    def _method(self, request: web.Request) -> Answer:
        name = request.match_info["method"]
        answer = self._methods.get(name)
        if answer is None or (request.method == "GET" and name not in READ):
            raise Refused(404, f"Method {name} is not known to the sandbox")
        return answer

    def _let_in(self, request: web.Request) -> None:
        token = request.headers.get("x-api-key")
        if token is None:
            raise Refused(400, "Token is required")
        if token != self._token or self._sandbox.faults.refuse_keys:
            raise Refused(401, "Unauthorized", {"message": "Token is not valid"})


async def _front(_: web.Request) -> web.Response:
    # The SDK asks for the page of the service before it logs in.
    return web.Response(text="Supervisely", content_type="text/html")
