"""What answers of Encord mean: the body decides, whatever the HTTP status says."""

import json
from typing import Any

import pytest

from pipeline.platforms.encord.verdict import judge_legacy, judge_rest
from pipeline.ports import Answer, Fatal, Ok, Reject, Retry

ROWS = {"label-1": "data-1", "data-1": "data-1", "label-2": "data-2", "data-2": "data-2"}


def answer(body: Any, status: int = 200, **headers: str) -> Answer:  # noqa: ANN401 - JSON or bytes
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def error(code: str, payload: Any = None, status: int = 200) -> Answer:  # noqa: ANN401 - JSON
    return answer({"status": 400, "response": [code], "payload": payload}, status)


@pytest.mark.parametrize("status", [200, 400, 500, 503])
def test_a_good_body_is_a_success_whatever_the_http_status(status: int) -> None:
    assert judge_legacy(answer({"status": 200, "response": []}, status)) == Ok()


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_error_in_the_body_is_an_error_whatever_the_http_status(status: int) -> None:
    verdict = judge_legacy(error("CORRUPTED_LABEL_ERROR", "frame 9", status), ROWS)
    assert isinstance(verdict, Reject)
    assert "CORRUPTED_LABEL_ERROR" in verdict.message
    assert "frame 9" in verdict.message
    assert not verdict.rows


def test_null_is_a_success_only_where_no_value_is_due() -> None:
    nothing = answer({"status": 200, "response": None})
    assert judge_legacy(nothing) == Ok()
    assert isinstance(judge_legacy(nothing, value=True), Retry)
    assert judge_legacy(answer({"status": 200, "response": False}), value=True) == Ok()


@pytest.mark.parametrize("judge", [judge_legacy, judge_rest])
def test_429_waits_for_as_long_as_the_server_says(judge: Any) -> None:  # noqa: ANN401 - either judge
    assert judge(answer(b"", 429, retry_after="7")) == Retry(
        "Encord asks for fewer requests", 7.0, pushback=True
    )
    dated = answer(
        b"slow down",
        429,
        date="Fri, 02 Jan 2026 03:04:05 GMT",
        retry_after="Fri, 02 Jan 2026 03:04:35 GMT",
    )
    assert judge(dated).after == 30.0
    assert judge(answer(b"", 429)).after is None


def test_a_rate_limit_in_the_body_asks_for_less() -> None:
    verdict = judge_legacy(error("RATE_LIMIT_ERROR"), ROWS)
    assert isinstance(verdict, Retry)
    assert verdict.pushback


@pytest.mark.parametrize("judge", [judge_legacy, judge_rest])
def test_413_blames_no_row(judge: Any) -> None:  # noqa: ANN401 - either judge
    verdict = judge(answer({"detail": "at most 5 MB"}, 413))
    assert verdict.too_large
    assert not verdict.rows
    assert "at most 5 MB" in verdict.message


def test_too_many_rows_tells_how_many_are_taken() -> None:
    verdict = judge_legacy(error("MULTI_LABEL_LIMIT_ERROR", {"maximum_labels_allowed": 77}), ROWS)
    assert isinstance(verdict, Reject)
    assert verdict.too_large
    assert verdict.at_most == 77
    unsaid = judge_legacy(error("MULTI_LABEL_LIMIT_ERROR"), ROWS)
    assert isinstance(unsaid, Reject)
    assert unsaid.at_most is None


def test_rows_that_the_error_names_are_rejected_each_with_its_own_reason() -> None:
    verdict = judge_legacy(error("CORRUPTED_LABEL_ERROR", "label-1: no answers; data-2: bad frame"), ROWS)
    assert isinstance(verdict, Reject)
    assert verdict.rows == {
        "data-1": "CORRUPTED_LABEL_ERROR: label-1: no answers",
        "data-2": "CORRUPTED_LABEL_ERROR: data-2: bad frame",
    }


@pytest.mark.parametrize(
    ("answered", "credentials"),
    [
        (error("AUTHENTICATION_ERROR"), True),
        (answer({"message": "no"}, 401), True),
        (error("AUTHORISATION_ERROR"), False),
        (error("RESOURCE_NOT_FOUND_ERROR"), False),
        (answer(b"<html>", 404), False),
    ],
)
def test_a_refused_key_and_a_missing_project_end_the_run(answered: Answer, *, credentials: bool) -> None:
    verdict = judge_legacy(answered)
    assert isinstance(verdict, Fatal)
    assert verdict.credentials is credentials
    assert verdict.missing is not credentials


def test_a_missing_row_is_refused_and_the_run_goes_on() -> None:
    verdict = judge_legacy(error("RESOURCE_NOT_FOUND_ERROR", "label-2 does not exist"), ROWS)
    assert isinstance(verdict, Reject)
    assert list(verdict.rows) == ["data-2"]


@pytest.mark.parametrize(
    "answered",
    [
        error("UNKNOWN_ERROR"),
        error("UNKNOWN_ERROR", status=500),
        answer({"status": 502}, 200),
        answer(b"<html>bad gateway", 502),
        answer(b"", 500),
        answer(b"", 408),
        answer(b"not JSON", 200),
        answer(b'{"status":200,"response":[', 200),
    ],
)
def test_trouble_of_the_server_is_worth_another_try(answered: Answer) -> None:
    assert isinstance(judge_legacy(answered, ROWS), Retry)


def test_503_asks_for_less_only_where_it_names_the_wait() -> None:
    assert judge_rest(answer({"message": "later"}, 503)) == Retry("Encord answered 503: later")
    assert judge_rest(answer({"message": "later"}, 503, retry_after="3")) == Retry(
        "Encord answered 503: later", 3.0, pushback=True
    )


@pytest.mark.parametrize(
    ("status", "kind"), [(200, Ok), (204, Ok), (400, Reject), (409, Reject), (500, Retry)]
)
def test_rest_is_judged_by_its_status(status: int, kind: type) -> None:
    assert isinstance(judge_rest(answer({"message": "x"}, status)), kind)


@pytest.mark.parametrize(("status", "credentials"), [(401, True), (403, False), (404, False)])
def test_rest_refuses_keys_and_unknown_projects(status: int, *, credentials: bool) -> None:
    verdict = judge_rest(answer({"detail": "x"}, status))
    assert isinstance(verdict, Fatal)
    assert verdict.credentials is credentials


# ---- web pages: of a proxy, or of a server that is another one ------------------------------------------


@pytest.mark.parametrize("judge", [judge_legacy, judge_rest])
def test_a_web_page_in_place_of_an_answer_does_not_count_as_done(judge: Any) -> None:  # noqa: ANN401 - either judge
    found = judge(answer(b"<!DOCTYPE html><title>Log in</title>"))
    assert found == Retry("the answer is not one of Encord's API: a web page, 'Log in'; check `url`")


@pytest.mark.parametrize("judge", [judge_legacy, judge_rest])
@pytest.mark.parametrize("status", [302, 400, 403, 404, 405])
def test_a_refusal_that_is_a_web_page_names_the_address(judge: Any, status: int) -> None:  # noqa: ANN401 - either judge
    found = judge(answer(b"<html><body><h1>Not here</h1>", status))
    assert not isinstance(found, Ok)
    assert found.message.startswith(f"Encord answered {status}: a web page, 'Not here'; check ")
    assert "`url`" in found.message
