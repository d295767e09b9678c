"""What answers of Segments.ai mean: the status decides, the text tells more."""

import json
from typing import Any

import pytest

from pipeline.platforms.segments.verdict import (
    SHOWN,
    beyond_the_end,
    judge,
    judge_creation,
    judge_label,
    judge_page,
    judge_storage,
    message_of,
)
from pipeline.ports import Answer, Fatal, Ok, Reject, Retry

THROTTLED = {"detail": "Request was throttled. Expected available in 7 seconds."}
SLOWER = "Segments.ai asks for fewer requests"


def answer(status: int, body: Any = "x", **headers: str) -> Answer:  # noqa: ANN401 - JSON or bytes
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", {"uuid": "x"}])
@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_good_status_is_good_whatever_comes_with_it(status: int, body: Any) -> None:  # noqa: ANN401 - as above
    assert judge(answer(status, body)) == Ok()


# ---- web pages: of a proxy, or of a server that is another one ------------------------------------------


def test_a_web_page_in_place_of_an_answer_does_not_count_as_done() -> None:
    page = b"\n<!DOCTYPE html><html><head><title>Log in</title></head></html>"
    assert judge(answer(200, page)) == Retry("a web page, 'Log in' came instead of an answer")


@pytest.mark.parametrize("row", [None, "uuid"])
@pytest.mark.parametrize("status", [302, 400, 403, 404, 405])
def test_a_refusal_that_is_a_web_page_names_the_address(status: int, row: str | None) -> None:
    found = judge(answer(status, b"<html><body><h1>Not here</h1>"), row)
    assert not isinstance(found, Ok)
    assert found.message.startswith(f"Segments.ai answered {status}: a web page, 'Not here'; check `url`")


@pytest.mark.parametrize("status", [302, 404])
def test_a_web_page_says_nothing_of_what_is_there(status: int) -> None:
    page = answer(status, b"<html><body><h1>Not here</h1>")
    for found in (judge(page), judge(page, "uuid"), judge_label(page)):
        assert isinstance(found, Fatal)
        assert not found.missing
    assert judge_label(answer(404, {"detail": "Not found."})) == Ok()


# ---- asked to wait ------------------------------------------------------------------------------------


def test_429_waits_for_the_seconds_of_the_header() -> None:
    assert judge(answer(429, b"", retry_after="3")) == Retry(SLOWER, 3.0, pushback=True)
    assert judge(answer(429, THROTTLED, retry_after="3")) == Retry(SLOWER, 3.0, pushback=True)


def test_429_waits_until_the_date_of_the_header_by_the_clock_of_the_server() -> None:
    found = judge(
        answer(
            429,
            THROTTLED,
            date="Fri, 02 Jan 2026 03:04:05 GMT",
            retry_after="Fri, 02 Jan 2026 03:04:35 GMT",
        )
    )
    assert found == Retry(SLOWER, 30.0, pushback=True)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (THROTTLED, 7.0),
        ({"detail": "Request was throttled. Expected available in 1 second."}, 1.0),
        ({"message": "expected available in 0.5 seconds"}, 0.5),
        (b"Request was throttled. Expected available in 86400 seconds.", 86400.0),
        ({"detail": "Request was throttled."}, None),
        ({"detail": {"wait": 7}}, None),
        (b"", None),
        (b"\xff\xfe", None),
    ],
)
def test_429_without_a_header_waits_as_the_text_says(body: Any, seconds: float | None) -> None:  # noqa: ANN401
    assert judge(answer(429, body)) == Retry(SLOWER, seconds, pushback=True)


@pytest.mark.parametrize("header", ["", "soon", "-5", "Fri, 99 Jan 2026 03:04:35 GMT"])
def test_a_header_that_says_nothing_leaves_the_word_to_the_text(header: str) -> None:
    assert judge(answer(429, THROTTLED, retry_after=header)) == Retry(SLOWER, 7.0, pushback=True)


def test_a_date_without_the_server_s_own_is_no_measure() -> None:
    dated = answer(429, THROTTLED, retry_after="Fri, 02 Jan 2026 03:04:35 GMT")
    assert judge(dated) == Retry(SLOWER, 7.0, pushback=True)


def test_a_good_status_whose_text_says_throttled_was_turned_away() -> None:
    assert judge(answer(200, THROTTLED)) == Retry(SLOWER, 7.0, pushback=True)
    label = {"attributes": {"annotations": [], "image_attributes": {"detail": "throttled" * SHOWN}}}
    assert judge(answer(200, label)) == Ok()
    assert judge(answer(200, {"name": "throttled"})) == Ok()


# ---- trouble of the server ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 500, 502, 504, 520])
def test_trouble_of_the_server_is_worth_another_try(status: int) -> None:
    assert judge(answer(status, {"detail": "time-out"}), "uuid") == Retry(
        f"Segments.ai answered {status}: time-out", None, pushback=False
    )


def test_503_asks_for_less_only_where_it_names_the_wait() -> None:
    assert judge(answer(503, b"later")) == Retry("Segments.ai answered 503: later")
    assert judge(answer(503, b"later", retry_after="4")) == Retry(
        "Segments.ai answered 503: later", 4.0, pushback=True
    )


def test_a_text_that_only_quotes_does_not_change_what_a_status_says() -> None:
    for text in ("not found", "does not exist", "already exists", "invalid page", "time-out"):
        assert isinstance(judge(answer(500, {"detail": text})), Retry)
        assert judge(answer(400, {"detail": f"label: {text}"}), "uuid") == Reject(
            f"Segments.ai answered 400: label: {text}", {"uuid": f"Segments.ai answered 400: label: {text}"}
        )


# ---- refusals -----------------------------------------------------------------------------------------


def test_a_refused_key_ends_the_run_and_says_where_it_comes_from() -> None:
    found = judge(answer(401, {"detail": "Authentication credentials were not provided."}), "uuid")
    assert found == Fatal(
        "Segments.ai refused the API key; check SEGMENTS_API_KEY (or `api_key`), and `url`", credentials=True
    )


@pytest.mark.parametrize(
    "text", ["You do not have permission to perform this action.", "You need to be an administrator."]
)
def test_a_key_that_may_not_do_it_ends_the_run(text: str) -> None:
    found = judge(answer(403, {"detail": text}), "uuid")
    assert isinstance(found, Fatal)
    assert found.credentials
    assert text in found.message


@pytest.mark.parametrize("status", [400, 402, 403])
@pytest.mark.parametrize("text", ["Your free trial ended.", "Exceeded user limit"])
def test_a_subscription_that_ended_is_no_fault_of_a_row_or_a_key(status: int, text: str) -> None:
    found = judge(answer(status, {"detail": text}), "uuid")
    assert isinstance(found, Fatal)
    assert (found.credentials, found.missing) == (False, False)
    assert "subscription" in found.message


@pytest.mark.parametrize("status", [301, 302, 404])
def test_what_is_not_there_is_a_mistake_of_the_job_unless_it_is_a_row(status: int) -> None:
    found = judge(answer(status, {"detail": "Not found."}))
    assert isinstance(found, Fatal)
    assert found.missing is (status == 404)  # a redirect does not say that there is no such dataset
    assert "`dataset`, `labelset` and `url`" in found.message
    row = judge(answer(status, {"detail": "Not found."}), "uuid")
    assert isinstance(row, Reject)
    assert list(row.rows) == ["uuid"]


def test_413_says_that_the_request_is_too_large() -> None:
    found = judge(answer(413, {"detail": "at most 9 bytes"}))
    assert isinstance(found, Reject)
    assert found.too_large
    assert not found.rows
    assert "at most 9 bytes" in found.message


def test_other_refusals_name_the_row_where_there_is_one() -> None:
    no = "Segments.ai answered 400: no"
    assert judge(answer(400, {"detail": "no"}), "uuid") == Reject(no, {"uuid": no})
    assert judge(answer(422, b"no")) == Reject("Segments.ai answered 422: no", {})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"detail": "a"}, "a"),
        ({"message": "b"}, "b"),
        ({"detail": ["c"]}, '{"detail": ["c"]}'),
        ({"name": ["Too  long."]}, '{"name": ["Too long."]}'),
        (b"", "an empty answer"),
        (b" <html>\n <p>d", "<html> <p>d"),
        (b'"text"', '"text"'),
        ({"detail": "e" * 1000}, "e" * SHOWN),
        (b"f" * 1000, "f" * SHOWN),
    ],
)
def test_the_text_of_an_answer_is_short_whatever_came(body: Any, text: str) -> None:  # noqa: ANN401 - as above
    assert message_of(answer(400, body).body) == text


# ---- listings and creations ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404])
def test_an_invalid_page_is_the_end_of_a_listing(status: int) -> None:
    end = answer(status, {"detail": "Invalid page."})
    assert judge_page(end) == Ok()
    assert beyond_the_end(end)


def test_anything_else_is_no_end_of_a_listing() -> None:
    assert isinstance(judge_page(answer(404, {"detail": "Not found."})), Fatal)
    assert isinstance(judge_page(answer(500, {"detail": "invalid page"})), Retry)
    assert not beyond_the_end(answer(500, {"detail": "invalid page"}))
    assert not beyond_the_end(answer(200, b'[{"name":"invalid page"}]'))


@pytest.mark.parametrize(
    "text",
    [
        "A labelset with name x already exists in this dataset.",
        "You already have a dataset with this name.",
    ],
)
def test_what_is_there_already_was_created(text: str) -> None:
    assert judge_creation(answer(400, {"detail": text})) == Ok()
    assert judge_creation(answer(409, {"detail": text})) == Ok()
    assert isinstance(judge(answer(400, {"detail": text})), Reject)
    assert isinstance(judge_creation(answer(400, {"detail": "name: too long"})), Reject)
    assert isinstance(judge_creation(answer(401, {"detail": text})), Fatal)
    assert isinstance(judge_creation(answer(500, {"detail": text})), Retry)
    assert isinstance(judge_creation(answer(429, {"detail": text})), Retry)


# ---- the storage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b""), (201, b"<PostResponse/>")])
def test_any_good_status_of_the_storage_is_good(status: int, body: bytes) -> None:
    assert judge_storage(answer(status, body)) == Ok()


@pytest.mark.parametrize("status", [400, 403, 404, 411, 500, 502, 503])
def test_an_upload_that_failed_is_tried_again_and_its_text_is_not_told(status: int) -> None:
    found = judge_storage(answer(status, b"<Error><Resource>https://secret</Resource></Error>"))
    assert found == Retry(f"the storage host refused a file with status {status}")


@pytest.mark.parametrize(
    ("status", "body", "after"),
    [
        (429, b"", None),
        (429, b"", 2.0),
        (503, b"", 2.0),
        (503, b"<Error><Code>SlowDown</Code></Error>", None),
        (503, b"<Error><Code>ServerBusy</Code></Error>", None),
    ],
)
def test_a_busy_storage_asks_for_less(status: int, body: bytes, after: float | None) -> None:
    headers = {} if after is None else {"retry_after": str(after)}
    found = judge_storage(answer(status, body, **headers))
    assert found == Retry("the storage host asks for fewer requests", after, pushback=True)


@pytest.mark.parametrize(
    ("status", "body"), [(413, b""), (400, b"<Error><Code>EntityTooLarge</Code></Error>")]
)
def test_a_file_that_is_too_large_stays_so(status: int, body: bytes) -> None:
    assert judge_storage(answer(status, body)) == Reject("the file is larger than the storage host takes")
