"""Who is asked for a file that a server names: public hosts and the job's own, wherever it leads."""

from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from pipeline.core.backoff import RetryPolicy
from pipeline.errors import RowError
from pipeline.io.assets import Storage
from pipeline.io.guarded import GuardedSession
from pipeline.ports import Request
from tests.flow.server import CANARY, LIMITS, Handler, Server, channels, judge, serving
from tests.flow.test_assets import PICTURE, failing, picture, storage
from tests.flow.test_channel_wire import self_signed

pytestmark = pytest.mark.anyio


def aliased(server: Server) -> str:
    """The same server by a name that only this machine knows."""
    return f"http://localhost:{urlsplit(server.url).port}"


def answering(status: int, location: str) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": location})

    return handler


# ---- who is asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://LOCALHOST:{port}/",
        "http://0:{port}/",
        "http://127.1:{port}/",
        "http://0x7f.1:{port}/",
        "http://2130706433:{port}/",
        "http://\N{FULLWIDTH DIGIT ONE}27.0.0.1:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[64:ff9b::127.0.0.1]:{port}/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "https://[fe80::1%25lo]/",
    ],
)
async def test_a_host_that_is_not_public_is_not_asked_unless_the_job_names_it(url: str) -> None:
    async with serving(picture) as server, channels(policy=RetryPolicy(tries=1)) as made:
        assets = Storage(made)
        url = url.format(port=urlsplit(server.url).port) + f"?token={CANARY}"
        text = await failing(lambda: assets.get(url, most=100))
        assert "no public address" in text or "not valid" in text or "no connection" in text
        await failing(lambda: assets.channel(url).send("upload", lambda: Request("POST", url, {}), judge))
    assert server.arrivals == []


async def test_a_host_is_the_jobs_own_by_its_name_on_any_port() -> None:
    async with serving(picture) as server, serving(picture) as other, channels() as made:
        assets = Storage(made)
        made.get("http://localhost:1/api", LIMITS)
        for url in (aliased(server), aliased(other), aliased(server).replace("localhost", "LocalHost")):
            assert await assets.get(url, most=len(PICTURE)) == PICTURE
        assert "127.0.0.1" in await failing(lambda: assets.get(server.url, most=100))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "not an http or https URL"),
        ("picture.png", "not an http or https URL"),
        ("file:///etc/passwd", "not an http or https URL"),
        ("ftp://example.com/{canary}", "not an http or https URL"),
        ("data:image/png;base64,{canary}", "not an http or https URL"),
        ("//example.com/{canary}", "not an http or https URL"),
        ("https:///{canary}", "not an http or https URL"),
        ("https://user:{canary}@example.com/", "holds a user or a password"),
        ("https://{canary}@example.com/", "holds a user or a password"),
        ("https://example.com:99999/{canary}", "not a valid"),
        ("https://[::1/{canary}", "not a valid"),
        ("https://exam\r\nple.com/{canary}", "a line break"),
        ("https://example.com/{canary}\r\nHost: x", "a line break"),
    ],
)
async def test_what_is_no_address_of_a_file_is_refused(url: str, why: str) -> None:
    async with channels() as made:
        text = url.format(canary=CANARY)
        assert why in await failing(lambda: Storage(made).get(text, most=100))
        with pytest.raises(RowError, match=why):
            Storage(made).channel(text)


async def test_a_certificate_that_nobody_vouches_for_fails_the_row(tmp_path: Path) -> None:
    server_side, _ = self_signed(tmp_path)
    async with serving(picture, server_side) as server, channels() as made:
        made.get(server.url, LIMITS)
        url = f"{server.url}/?token={CANARY}"
        assert "certificate is not valid" in await failing(lambda: Storage(made).get(url, most=100))


# ---- redirects -----------------------------------------------------------------------------------


async def test_a_redirect_is_followed_to_another_host_and_relative_to_its_own() -> None:
    async with serving(picture) as end:

        async def handler(request: web.Request) -> web.StreamResponse:
            where = {"/a": "b?x=%2F", "/b": f"{end.url}/c%2Fd?sig=%7E"}[request.path]
            return web.Response(status=307, headers={"Location": where})

        async with storage(handler) as (server, _, assets):
            assert await assets.get(server.url + "/a", most=len(PICTURE)) == PICTURE
            assert await assets.head(server.url + "/a", most=10) == PICTURE[:10]
    assert server.targets == ["/a", "/b?x=%2F"] * 2
    assert end.targets == ["/c%2Fd?sig=%7E"] * 2


@pytest.mark.parametrize(("redirects", "good"), [(5, True), (6, False)])
async def test_five_redirects_are_followed_and_no_more(redirects: int, *, good: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        left = int(request.query["left"])
        if left:
            return web.Response(status=302, headers={"Location": f"/?left={left - 1}&token={CANARY}"})
        return web.Response(body=b"there")

    async with storage(handler) as (server, _, assets):
        url = f"{server.url}/?left={redirects}&token={CANARY}"
        if good:
            assert await assets.get(url, most=100) == b"there"
        else:
            assert "more than 5 times" in await failing(lambda: assets.get(url, most=100))
    assert len(server.arrivals) == 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_host_that_is_not_public_is_refused(status: int) -> None:
    async with serving(picture) as secret:
        where = f"{aliased(secret)}/?token={CANARY}"
        async with storage(answering(status, where)) as (server, _, assets):
            assert "localhost" in await failing(lambda: assets.get(server.url, most=100))
        for bad in ("http://169.254.169.254/", "http://[::ffff:10.0.0.1]/"):
            async with storage(answering(status, bad)) as (server, _, assets):
                assert "no public address" in await failing(lambda: assets.get(server.url, most=100))
    assert secret.arrivals == []


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("", "leads nowhere"),
        (f"file:///etc/{CANARY}", "not an http or https URL"),
        (f"http://user:{CANARY}@127.0.0.1/", "a user or a password"),
        (f"http://[{CANARY}/", "no valid address"),
    ],
)
async def test_a_redirect_that_leads_to_no_address_fails_the_row(location: str, why: str) -> None:
    async with storage(answering(302, location)) as (server, _, assets):
        assert why in await failing(lambda: assets.get(server.url, most=100))


async def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    server_side, client_side = self_signed(tmp_path)
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(serving(picture))
        handler = answering(302, f"{plain.url}/?token={CANARY}")
        server = await stack.enter_async_context(serving(handler, server_side))
        made = await stack.enter_async_context(channels())
        made.get(server.url, LIMITS)
        session = await stack.enter_async_context(GuardedSession(made.is_own, tls=client_side))
        text = await failing(lambda: Storage(made, session).get(server.url, most=100))
    assert "from https to http" in text
    assert plain.arrivals == []
