"""What an answer of Segments.ai means: by its status first, by its text second. Pure.

The service answers as Django REST framework does; which texts there are is taken from what the segments-ai
SDK 1.33 looks for.
"""

import re
from typing import Any

import msgspec

from pipeline.core.backoff import asks_for_less, http_date, retry_after
from pipeline.core.web_page import web_page
from pipeline.ports import Answer, Fatal, Ok, Reject, Retry, Verdict

OK, GOOD_END, ERRORS = 200, 300, 400
UNAUTHORISED, FORBIDDEN, MISSING, TIMED_OUT = 401, 403, 404, 408
TOO_LARGE, TOO_MANY, BROKEN = 413, 429, 500
SHOWN = 300
"""Characters of an answer that a message quotes at most."""

_AVAILABLE = re.compile(r"expected available in (\d+(?:\.\d+)?) second", re.IGNORECASE)
_CREDENTIALS = "Segments.ai refused the API key; check SEGMENTS_API_KEY (or `api_key`), and `url`"
_PAID = ("free trial ended", "exceeded user limit")


def judge(answer: Answer, row: str | None = None) -> Verdict:
    """Judge an answer of the API. `row` is the target id of the one row that the request was about."""
    status, page = answer.status, web_page(answer.body)
    if OK <= status < GOOD_END:
        # A proxy's page says nothing of what became of the request.
        lost = None if page is None else Retry(f"{page} came instead of an answer")
        return lost or _throttled(answer) or Ok()
    if status == UNAUTHORISED:
        return Fatal(_CREDENTIALS, credentials=True)
    if status == TOO_MANY:
        return Retry("Segments.ai asks for fewer requests", after_of(answer), pushback=True)
    message = f"Segments.ai answered {status}: {page or message_of(answer.body)}"
    if page is not None and status < TOO_LARGE:
        message = f"{message}; check `url`"
    if status == TIMED_OUT or status >= BROKEN:
        after = after_of(answer)
        return Retry(message, after, pushback=asks_for_less(status, after))
    return _refused(status, message, row, page)


def _refused(status: int, message: str, row: str | None, page: str | None) -> Verdict:
    if status == TOO_LARGE:
        message = f"{message}; the request is too large"
    named = {} if row is None else {row: message}
    if status == TOO_LARGE:
        return Reject(message, named, too_large=True)
    if any(mark in message.lower() for mark in _PAID):
        return Fatal(f"{message}; see to the subscription")
    if status == FORBIDDEN:
        return Fatal(f"{message}; the key may not do this", credentials=True)
    if page is not None and (status == MISSING or status < ERRORS):
        return Fatal(message)  # not said by the service: nobody knows then what is there
    if row is None and (status == MISSING or status < ERRORS):
        where = "check `dataset`, `labelset` and `url`"
        return Fatal(f"{message}; {where}", missing=status == MISSING)
    return Reject(message, named)


def judge_page(answer: Answer) -> Verdict:
    """Judge a page of a listing: one that does not exist is good, as the last one was before it."""
    return Ok() if beyond_the_end(answer) else judge(answer)


def judge_label(answer: Answer) -> Verdict:
    """Judge an answer about a label of a sample that exists: where there is none, that is good too."""
    return Ok() if is_unlabelled(answer) else judge(answer)


def is_unlabelled(answer: Answer) -> bool:
    """Whether a label was asked for that is not there."""
    return answer.status == MISSING and web_page(answer.body) is None


def beyond_the_end(answer: Answer) -> bool:
    """Whether a page was asked for that a listing does not have."""
    return GOOD_END <= answer.status < BROKEN and "invalid page" in message_of(answer.body).lower()


def judge_creation(answer: Answer) -> Verdict:
    """Judge an answer to the creation of something that may be there: then it is good too."""
    verdict, text = judge(answer), message_of(answer.body).lower()
    exists = isinstance(verdict, Reject) and ("already exists" in text or "already have" in text)
    return Ok() if exists else verdict


def judge_storage(answer: Answer) -> Verdict:
    """Judge an answer of the storage host, which speaks XML. Its text is not told: it may hold the URL.

    Whatever it refuses is worth a second try with a fresh permission: those that are given end after a while.
    Only a file that it finds too large stays so.
    """
    status = answer.status
    if OK <= status < GOOD_END:
        return Ok()
    after = after_of(answer)
    if asks_for_less(status, after, answer.body):
        return Retry("the storage host asks for fewer requests", after, pushback=True)
    if status == TOO_LARGE or b"EntityTooLarge" in answer.body:
        return Reject("the file is larger than the storage host takes")
    return Retry(f"the storage host refused a file with status {status}", after)


def after_of(answer: Answer) -> float | None:
    """Return the seconds to wait: of Retry-After, else of the text of a throttled answer."""
    header = answer.headers.get("retry-after")
    sent = http_date(answer.headers.get("date", ""))
    if header is not None and (header.strip()[:1].isdigit() or sent is not None):
        return retry_after(header, now=sent or 0.0)
    found = _AVAILABLE.search(message_of(answer.body))
    return float(found.group(1)) if found else None


def message_of(body: bytes) -> str:
    """Return a short text from a body: its `detail` or `message`, else its beginning."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError):
        found = None
    if isinstance(found, dict):
        text = found.get("detail") or found.get("message")
        if isinstance(text, str):
            return text[:SHOWN]
    start = " ".join(body[:SHOWN].decode(errors="replace").split())
    return start or "an empty answer"


def _throttled(answer: Answer) -> Verdict | None:
    """Judge a good status whose body says that the request was turned away."""
    if len(answer.body) < SHOWN and b"throttled" in answer.body and b'"detail"' in answer.body:
        return Retry("Segments.ai asks for fewer requests", after_of(answer), pushback=True)
    return None
