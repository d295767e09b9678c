"""What answers of Supervisely mean, and the bodies of several parts."""

import base64
import hashlib
import json
from typing import Any

import pytest

from pipeline.platforms.supervisely.forms import Part, form, parts_of
from pipeline.platforms.supervisely.verdict import SHOWN, content_of, is_whole, judge, judge_file, message_of
from pipeline.ports import Answer, Fatal, Ok, Reject, Retry

TOKEN = "Supervisely refused the API token; check API_TOKEN (or `api_token`), and `url`"
ROWS = {"7": "7", "a.jpg": "7", "8": "8", "b.jpg": "8"}


def answer(status: int, body: Any = "x", **headers: str) -> Answer:  # noqa: ANN401 - JSON or bytes
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def refusal(*errors: dict[str, Any], kind: str = "NONUNIQUE", message: str = "taken") -> dict[str, Any]:
    return {"error": "Bad request", "details": [{"type": kind, "message": message, "errors": errors}]}


@pytest.mark.parametrize("body", [b"", b"{}", {"error": "no"}])
@pytest.mark.parametrize("status", [200, 201, 206])
def test_a_good_status_is_good_whatever_comes_with_it(status: int, body: Any) -> None:  # noqa: ANN401
    assert judge(answer(status, body)) == Ok()


# ---- web pages: of a proxy, or of a server that is another one ------------------------------------------


def test_a_web_page_in_place_of_an_answer_does_not_count_as_done() -> None:
    page = b"\n<!DOCTYPE html><html><head><title>Log in</title></head></html>"
    assert judge(answer(200, page)) == Retry("a web page, 'Log in' came instead of an answer")


@pytest.mark.parametrize("status", [302, 400, 403, 404, 405])
def test_a_refusal_that_is_a_web_page_names_the_address(status: int) -> None:
    found = judge(answer(status, b"<html><body><h1>Not here</h1>"))
    assert not isinstance(found, Ok)
    assert found.message.startswith(
        f"Supervisely answered {status}: a web page, 'Not here'; check `url` or SERVER_ADDRESS"
    )


@pytest.mark.parametrize("status", [302, 404])
def test_a_web_page_says_nothing_of_what_is_there(status: int) -> None:
    found = judge(answer(status, b"<html><body><h1>Not here</h1>"))
    assert isinstance(found, Fatal)
    assert not found.missing


# ---- worth another try --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:35 GMT"}, None),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:35 GMT", "date": "Fri, 02 Jan 2026 03:04:05 GMT"}, 30.0),
    ],
)
def test_429_waits_as_long_as_it_is_told(headers: dict[str, str], seconds: float | None) -> None:
    found = judge(answer(429, b"", **headers), ROWS)
    assert found == Retry("Supervisely asks for fewer requests", seconds, pushback=True)


@pytest.mark.parametrize("status", [408, 499, 500, 502, 504, 509, 520, 598, 599])
def test_trouble_of_the_server_is_worth_another_try(status: int) -> None:
    found = judge(answer(status, {"error": "busy"}), ROWS)
    assert found == Retry(f"Supervisely answered {status}: busy", None, pushback=False)


def test_503_asks_for_less_only_where_it_names_the_wait() -> None:
    assert judge(answer(503, b"later")) == Retry("Supervisely answered 503: later")
    found = judge(answer(503, b"later", retry_after="4"))
    assert found == Retry("Supervisely answered 503: later", 4.0, pushback=True)


def test_the_one_refusal_that_passes_by_itself_is_tried_again() -> None:
    text = "Agent should call AgentConnected or AgentPing before attempting any other request"
    assert isinstance(judge(answer(400, {"error": text}), ROWS), Retry)


# ---- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found",
    [
        answer(401, {"error": "Unauthorized"}),
        answer(400, {"error": "API token is invalid"}),
        answer(403, {"error": "Forbidden", "details": {"message": "Token expired"}}),
        answer(404, {"error": "token not found"}),
    ],
)
def test_a_refused_token_ends_the_run_and_says_where_it_comes_from(found: Answer) -> None:
    assert judge(found, ROWS) == judge(found) == Fatal(TOKEN, credentials=True)


def test_a_token_that_may_not_do_it_ends_the_run() -> None:
    found = judge(answer(403, {"error": "Permission denied"}), ROWS)
    assert isinstance(found, Fatal)
    assert found.credentials
    assert "Permission denied" in found.message


@pytest.mark.parametrize("status", [301, 404])
def test_what_is_not_there_is_a_mistake_of_the_job_unless_it_is_about_rows(status: int) -> None:
    found = judge(answer(status, {"error": "Not found"}))
    assert isinstance(found, Fatal)
    assert found.missing
    assert "`project`, `dataset` and `url`" in found.message
    assert isinstance(judge(answer(status, {"error": "Not found"}), ROWS), Reject)


def test_413_says_that_the_request_is_too_large_and_names_nobody() -> None:
    found = judge(answer(413, refusal({"id": 7})), ROWS)
    assert isinstance(found, Reject)
    assert (found.too_large, found.rows) == (True, {})


def test_a_refusal_names_rows_by_any_of_their_names() -> None:
    for error in ({"id": 7}, {"imageId": 7}, {"name": "a.jpg"}, {"id": 99, "name": "a.jpg"}):
        found = judge(answer(400, refusal(error)), ROWS)
        assert found == Reject(
            "Supervisely answered 400: Bad request: taken", {"7": "Supervisely answered 400: taken"}
        )
    several = judge(answer(400, refusal({"id": 7, "message": "mine"}, {"name": "b.jpg"}, {"id": 5})), ROWS)
    assert isinstance(several, Reject)
    assert {key: why.rpartition(" ")[2] for key, why in several.rows.items()} == {"7": "mine", "8": "taken"}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"nope", {"details": None}, {"details": [None, 3]}, {"details": {"errors": "x"}},
     {"details": [{"errors": [None, 3, {"id": None}]}]}],
)  # fmt: skip
def test_a_refusal_of_any_form_blames_nobody(body: Any) -> None:  # noqa: ANN401
    found = judge(answer(400, body), ROWS)
    assert isinstance(found, Reject)
    assert found.rows == {}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": "a"}, "a"),
        ({"message": "b"}, "b"),
        ({"error": "a", "details": {"message": "b"}}, "a: b"),
        ({"error": "a", "details": {"message": "a"}}, "a"),
        ({"error": "a", "details": [{"type": "T", "message": "b"}, {"message": "c"}]}, "a: b"),
        ({"details": [{"type": "T"}]}, "T"),
        ({"other": 1}, '{"other": 1}'),
        (b"", "an empty answer"),
        (b" <html>\n <p>d", "<html> <p>d"),
        ({"error": "e" * 1000}, "e" * SHOWN),
        (b"\xff" * 1000, "\ufffd" * SHOWN),
    ],
)
def test_the_text_of_an_answer_is_short_whatever_came(body: Any, text: str) -> None:  # noqa: ANN401
    content = answer(400, body).body
    assert message_of(content, content_of(content)) == text


# ---- files --------------------------------------------------------------------------------------------


def test_a_whole_file_must_have_the_digest_that_the_server_says() -> None:
    data = b"picture"
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    good = {"x_content_checksum_sha256": digest}
    part = {**good, "content_range": "bytes 0-2/7"}
    whole = {**good, "content_range": "bytes 0-6/7"}
    assert judge_file(answer(200, data)) == Ok()
    assert judge_file(answer(200, data, **good)) == Ok()
    assert isinstance(judge_file(answer(200, data[:-1], **good)), Retry)
    assert judge_file(answer(206, data[:3], **part)) == Ok()
    assert judge_file(answer(206, data, **whole)) == Ok()
    assert isinstance(judge_file(answer(206, b"damaged", **whole)), Retry)
    assert isinstance(judge_file(answer(404, b"", **good)), Reject)
    assert isinstance(judge_file(answer(404, b"<html>Not Found</html>")), Reject)
    assert not is_whole(answer(206, data[:3], **part))


def test_a_form_reads_back_part_by_part() -> None:
    parts = [
        Part("figureId", b"12"),
        Part("geometry", b'--x\r\n\r\nname="no"', "12", "application/octet-stream"),
        Part("0-file", bytes(range(256)), "0", "image/*"),
        Part("empty", b""),
    ]
    body, kind = form(parts)
    assert list(parts_of({"content-type": kind}, body)) == [(part.name, part.data) for part in parts]
    assert form(parts) == (body, kind)
    assert b'filename="0"\r\nContent-Type: image/*' in body


def test_a_form_without_parts_has_none() -> None:
    body, kind = form([])
    assert list(parts_of({"content-type": kind}, body)) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ('multipart/form-data; boundary="b"', b'--b\r\nContent-Disposition: form-data; name="1"\r\n\r\nx'),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Type: x\r\n\r\nx\r\n--b--\r\n"),
    ],
)
def test_an_answer_that_is_not_whole_is_an_error(kind: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not made of parts|missing|no name"):
        list(parts_of({"content-type": kind}, body))
