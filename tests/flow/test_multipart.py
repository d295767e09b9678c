"""What a server's own parser reads of the forms that carry files."""

from dataclasses import replace

import pytest
from aiohttp import BodyPartReader, web
from aiohttp.test_utils import TestServer

from pipeline.io.multipart import boundary_of, content_type, multipart
from pipeline.ports import Request
from tests.flow.server import LIMITS, channels, judge

pytestmark = pytest.mark.anyio


async def test_a_server_reads_every_field_in_order_and_the_file_last() -> None:
    fields = [("acl", "public"), ("Content-Type", "image/png"), ('a"b\r\n', "é\r\n--x"), ("acl", "")]
    file = bytes(range(256)) * 3000
    parts: list[tuple[str | None, str | None, str | None, bytes]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.headers["Content-Length"]
        form = await request.multipart()
        while (part := await form.next()) is not None:
            assert isinstance(part, BodyPartReader)
            found = await part.read()
            parts.append((part.name, part.filename, part.headers.get("Content-Type"), bytes(found)))
        return web.Response(status=204)

    boundary = boundary_of(fields, file)
    request = Request("POST", "", {"Content-Type": content_type(boundary)}, multipart(fields, file, boundary))
    application = web.Application()
    application.router.add_post("/", handler)
    async with TestServer(application) as server, channels() as made:
        url = str(server.make_url("/"))
        await made.get(url, LIMITS).send("upload", lambda: replace(request, url=url), judge)
    assert [(name, data) for name, _, _, data in parts[:-1]] == [
        ("acl", b"public"),
        ("Content-Type", b"image/png"),
        ("a%22b%0D%0A", "é\r\n--x".encode()),
        ("acl", b""),
    ]
    assert parts[-1] == ("file", "file", None, file)


def test_the_boundary_follows_the_content_and_nothing_else() -> None:
    assert boundary_of([("a", "b")], b"c") == boundary_of([("a", "b")], b"c")
    others = {boundary_of([("a", "b")], b"d"), boundary_of([("ab", "")], b"c"), boundary_of([], b"abc")}
    assert len(others | {boundary_of([("a", "b")], b"c")}) == 4
    body = multipart([], b"c", "line")
    assert (
        body
        == b'--line\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\nc\r\n--line--\r\n'
    )
