"""What an answer of Supervisely means: by its status first, by its text second. Pure.

Which statuses pass, and how a refusal spells what it names, is taken from what the supervisely SDK 6.74 looks
for. An error's body is `{"error", "details"}`, its details one object or a list of
`{"type", "message", "errors": [{"id", "name"}]}`.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256

import msgspec

from pipeline.core.backoff import asks_for_less, http_date, retry_after
from pipeline.core.web_page import web_page
from pipeline.platforms.supervisely.wire import JsonValue
from pipeline.ports import Answer, Fatal, Ok, Reject, Retry, Verdict

GOOD, REFUSED = range(200, 300), 400
UNAUTHORISED, FORBIDDEN, MISSING = 401, 403, 404
TOO_LARGE, TOO_MANY, BROKEN = 413, 429, 500
PASSING = frozenset({408, 499, 509, 598, 599})
"""Statuses below and above 500 that say that it was the moment, and not the request."""
PARTIAL = 206
CHECKSUM = "x-content-checksum-sha256"
"""The header with the base64 of the SHA-256 of a whole file."""
SHOWN = 300
"""Characters of an answer that a message quotes at most."""
ADDRESS = "`url` or SERVER_ADDRESS"
"""What says where the server is."""

_CREDENTIALS = "Supervisely refused the API token; check API_TOKEN (or `api_token`), and `url`"
_TOKEN = re.compile(
    r"\b(api[ _-]?)?(token|key) (is |was )?(invalid|wrong|expired|not found|missing|required)"
)
_AGENT = "should call agentconnected or agentping"  # the only refusal that passes by itself


def judge(answer: Answer, rows: Mapping[str, str] | None = None) -> Verdict:
    """Judge an answer of the API.

    `rows` are the target ids of the rows that the request was about, by what a refusal may call them: an id
    or a name. Without them the request was about the project.
    """
    status, page = answer.status, web_page(answer.body)
    if status in GOOD:
        # A proxy's page says nothing of what became of the request.
        return Ok() if page is None else Retry(f"{page} came instead of an answer")
    if status == TOO_MANY:
        return Retry("Supervisely asks for fewer requests", after_of(answer), pushback=True)
    found = content_of(answer.body)
    text = page or message_of(answer.body, found)
    message = f"Supervisely answered {status}: {text}"
    if page is not None and status < TOO_LARGE:
        message = f"{message}; check {ADDRESS}"
    if status in PASSING or status >= BROKEN or _AGENT in text.lower():
        after = after_of(answer)
        return Retry(message, after, pushback=asks_for_less(status, after))
    if status == UNAUTHORISED or (status < TOO_LARGE and _TOKEN.search(text.lower())):
        return Fatal(_CREDENTIALS, credentials=True)
    if status == FORBIDDEN:
        return Fatal(f"{message}; the token may not do this", credentials=True)
    return _refused(status, message, found, rows, page)


def _refused(
    status: int, message: str, found: JsonValue, rows: Mapping[str, str] | None, page: str | None
) -> Verdict:
    if status == TOO_LARGE:
        return Reject(f"{message}; the request is too large", too_large=True)
    if page is not None and (status == MISSING or status < REFUSED):
        return Fatal(message)  # not said by Supervisely: nobody knows then what is there
    if rows is None and (status == MISSING or status < REFUSED):
        return Fatal(f"{message}; check `workspace`, `project`, `dataset` and `url`", missing=True)
    named: dict[str, str] = {}
    for names, why in faults_of(found):
        for name in names:
            if rows and name in rows:
                named[rows[name]] = f"Supervisely answered {status}: {why}" if why else message
    return Reject(message, named)


def judge_file(answer: Answer) -> Verdict:
    """Judge an answer that is a file. A whole one must have the digest that the server says."""
    verdict = judge(answer, {})
    if isinstance(verdict, Fatal) and not verdict.credentials:
        return Reject(verdict.message)  # a file that is not there, whoever says so, is one row's trouble
    wanted = answer.headers.get(CHECKSUM)
    if not isinstance(verdict, Ok) or wanted is None or not is_whole(answer):
        return verdict
    found = b64encode(sha256(answer.body).digest()).decode()
    return verdict if found == wanted else Retry("a file came damaged: its digest is not as Supervisely says")


def is_whole(answer: Answer) -> bool:
    """Whether the body is the whole file: it is, unless the answer says which part of it."""
    part = answer.headers.get("content-range", "")
    return answer.status != PARTIAL or part == f"bytes 0-{len(answer.body) - 1}/{len(answer.body)}"


def after_of(answer: Answer) -> float | None:
    """Return the seconds of Retry-After; a date is taken relative to the answer's own."""
    header = answer.headers.get("retry-after", "").strip()
    sent = http_date(answer.headers.get("date", ""))
    return retry_after(header, now=sent or 0.0) if header[:1].isdigit() or sent is not None else None


def content_of(body: bytes) -> JsonValue:
    """Return the JSON of a body, or None where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def faults_of(found: JsonValue) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give what an error's details name, each by all its names, and why (empty: it is not said)."""
    details = found.get("details") if isinstance(found, dict) else None
    for detail in details if isinstance(details, list) else [details]:
        errors = detail.get("errors") if isinstance(detail, dict) else None
        for error in errors if isinstance(errors, list) else []:
            if isinstance(detail, dict) and isinstance(error, dict):
                names = (error.get(key) for key in ("imageId", "entityId", "id", "name", "title"))
                why = error.get("message") or detail.get("message") or detail.get("type")
                yield tuple(str(name) for name in names if name is not None), _short(why)


def message_of(body: bytes, found: JsonValue) -> str:
    """Return a short text from a body: its error and the message of its details, else its beginning."""
    if isinstance(found, dict):
        details = found.get("details")
        first = details[0] if isinstance(details, list) and details else details
        more = (first.get("message") or first.get("type")) if isinstance(first, dict) else None
        texts = dict.fromkeys(_short(text) for text in (found.get("error") or found.get("message"), more))
        whole = ": ".join(text for text in texts if text)
        if whole:
            return whole[:SHOWN]
    return " ".join(body[:SHOWN].decode(errors="replace").split()) or "an empty answer"


def _short(text: JsonValue) -> str:
    return " ".join(text.split())[:SHOWN] if isinstance(text, str) else ""
