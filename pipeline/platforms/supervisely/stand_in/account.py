"""The account behind the token: logging in, the version of the service, teams and workspaces."""

import base64

import msgspec
from aiohttp import web

from pipeline.platforms.supervisely.stand_in.answers import (
    Json,
    Methods,
    absent,
    decoded,
    json_value,
)
from pipeline.platforms.supervisely.stand_in.paging import Asked, Paged, known
from pipeline.platforms.supervisely.stand_in.projects import Key
from pipeline.platforms.supervisely.stand_in.world import World

_SINCE = "2026-01-01T00:00:00.000Z"


class New(msgspec.Struct, rename="camel"):
    """The body of `workspaces.add`."""

    name: str
    team_id: int
    description: str = ""


class Account:
    """Answers requests about the user. `password` is what a log-in takes."""

    def __init__(self, world: World, paged: Paged, token: str, password: str, version: str) -> None:
        self._world = world
        self._paged = paged
        self._token = token
        self._password = password
        self._version = version

    def methods(self) -> Methods:
        """Return what the service answers."""
        yield "instance.version", lambda _, __: json_value({"version": self._version})
        yield "users.me", lambda _, __: json_value(self._user())
        yield "teams.list", self.teams
        yield "teams.info", lambda _, body: json_value(self._team(decoded(body, Key).id))
        yield "workspaces.list", self.workspaces
        yield "workspaces.info", lambda _, body: json_value(self._workspace(decoded(body, Key).id))
        yield "workspaces.add", self.add_workspace

    async def log_in(self, request: web.Request) -> web.Response:
        """Answer a form of login and password with a token that names the account."""
        form = await request.post()
        if (form.get("login"), form.get("password")) != (self._world.user, self._password):
            return json_value(
                {"error": "Unauthorized", "details": {"message": "Wrong login or password"}}, 401
            )
        workspace = next(iter(self._world.workspaces))
        claims = {
            "id": 1,
            "login": self._world.user,
            "apiToken": self._token,
            "group": {"id": self._world.team, "name": "sandbox"},
            "workspace": {"id": workspace, "name": self._world.workspaces[workspace]},
        }
        head = {"alg": "none", "typ": "JWT"}
        token = ".".join((*(_base64url(msgspec.json.encode(part)) for part in (head, claims)), ""))
        return json_value({"token": token})

    def teams(self, _: web.Request, body: bytes) -> web.Response:
        """Return the teams."""
        found = [self._team(self._world.team)]
        return json_value(self._paged.of(found, decoded(body, Asked), known, dict))

    def workspaces(self, _: web.Request, body: bytes) -> web.Response:
        """Return the workspaces of the team."""
        found = [self._workspace(key) for key in self._world.workspaces]
        return json_value(self._paged.of(found, decoded(body, Asked), known, dict))

    def add_workspace(self, _: web.Request, body: bytes) -> web.Response:
        """Create a workspace."""
        asked = decoded(body, New)
        self._team(asked.team_id)
        key = self._world.next_id()
        self._world.workspaces[key] = asked.name
        return json_value(self._workspace(key))

    def _team(self, key: int) -> Json:
        if key != self._world.team:
            raise absent("team", key)
        told = {"id": key, "name": "sandbox", "description": "", "role": "admin", "usage": {}}
        return {**told, "createdAt": _SINCE, "updatedAt": _SINCE}

    def _workspace(self, key: int) -> Json:
        if key not in self._world.workspaces:
            raise absent("workspace", key)
        told = {"id": key, "name": self._world.workspaces[key], "description": "", "teamId": self._world.team}
        return {**told, "createdAt": _SINCE, "updatedAt": _SINCE}

    def _user(self) -> Json:
        return {
            "id": 1,
            "login": self._world.user,
            "role": "admin",
            "name": "",
            "email": None,
            "lastLogin": _SINCE,
        }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
