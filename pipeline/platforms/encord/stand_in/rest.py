"""The second family: REST v2, with HTTP statuses and message signatures."""

import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from pipeline.platforms.encord.stand_in.access import Access
from pipeline.platforms.encord.stand_in.project import Project
from pipeline.platforms.encord.stand_in.rows import Refused
from pipeline.sandbox import Sandbox

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Priorities(msgspec.Struct):
    """The body of a request that sets priorities."""

    priorities: list[tuple[str, float]]


class Rest:
    """Answers REST requests for one project."""

    def __init__(self, project: Project, access: Access, sandbox: Sandbox, token: str) -> None:
        self._project = project
        self._access = access
        self._sandbox = sandbox
        self._token = token

    def guard(self, handler: Handler) -> Handler:
        """Return the handler behind a check of signature or token, and of the project's name."""

        async def guarded(request: web.Request) -> web.Response:
            body = await request.read()
            known = self._access.bearer(request.headers.get("Authorization", ""))
            if known is None:
                known = self._access.signed(
                    request.method, request.raw_path, request.headers, body, time.time()
                )
            if not known or self._sandbox.faults.refuse_keys:
                return _message(401, "the signature or the token is not valid")
            if request.match_info.get("project", self._project.hash) != self._project.hash:
                return _message(404, f"project {request.match_info['project']} does not exist")
            try:
                return await handler(request)
            except Refused as error:
                return _message(error.status, str(error.payload or error.code))
            except msgspec.DecodeError as error:
                return _message(400, str(error))

        return guarded

    async def get_project(self, _: web.Request) -> web.Response:
        """Return the project."""
        project = self._project
        return web.json_response(
            {
                "projectHash": project.hash,
                "projectType": "workflow",
                "status": "inProgress",
                "title": project.title,
                "description": "",
                "createdAt": project.since,
                "creatorEmail": "owner@sandbox.local",
                "lastEditedAt": project.since,
                "ontologyHash": project.ontology_hash,
                "editorOntology": project.editor,
                "userRole": 0,
            }
        )

    async def get_ontology(self, request: web.Request) -> web.Response:
        """Return the ontology."""
        project = self._project
        if request.match_info["ontology"] != project.ontology_hash:
            return _message(404, f"ontology {request.match_info['ontology']} does not exist")
        return web.json_response(
            {
                "ontologyUuid": project.ontology_hash,
                "title": project.title,
                "description": "",
                "editor": project.editor,
                "createdAt": project.since,
                "lastEditedAt": project.since,
                "userRole": 0,
            }
        )

    async def get_token(self, _: web.Request) -> web.Response:
        """Return a bearer token."""
        return web.json_response({"token": self._token})

    async def set_priorities(self, request: web.Request) -> web.Response:
        """Set priorities of rows."""
        self._project.prioritise(msgspec.json.decode(await request.read(), type=Priorities).priorities)
        return web.Response(status=204)


def _message(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
