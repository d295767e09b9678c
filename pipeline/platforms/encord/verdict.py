"""What an answer of Encord means. Pure.

The legacy family tells its status inside the body, whatever the HTTP status says: an HTTP 500 with a good
body is a success, and an HTTP 200 with an error in its body is an error. Codes: the encord SDK 0.1.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline.core.backoff import asks_for_less, http_date, retry_after
from pipeline.core.web_page import web_page
from pipeline.ports import Answer, Fatal, Ok, Reject, Retry, Verdict

OK, UNAUTHORISED, FORBIDDEN, MISSING, TIMED_OUT = 200, 401, 403, 404, 408
TOO_LARGE, TOO_MANY, BROKEN = 413, 429, 500

LIMIT = "MULTI_LABEL_LIMIT_ERROR"
NO_ROWS: Mapping[str, str] = {}
_MEANINGS = {
    "AUTHORISATION_ERROR": "the key has no access to the project, or the project does not exist there",
    "RESOURCE_NOT_FOUND_ERROR": "what was asked for does not exist",
    "OPERATION_NOT_ALLOWED": "the key may not do this",
    "ANSWER_DICTIONARY_ERROR": "an object or classification is missing in the answer dictionaries",
    "CORRUPTED_LABEL_ERROR": "the label row is not valid",
    "FEATURE_DOES_NOT_EXIST_ERROR": "a class, attribute or option is not in the project's ontology",
    "RESOURCE_EXISTS_ERROR": "it exists already",
    "WRONG_PROJECT_TYPE_ERROR": "the project is of another type",
}
_CREDENTIALS = (
    "Encord refused the key or token; check that the public key is registered there and has not expired, "
    "and that `url` is that of your region"
)


class Envelope(msgspec.Struct):
    """The legacy family's answer; what it holds stays bytes."""

    status: int | None = None
    response: msgspec.Raw = msgspec.Raw(b"null")
    payload: msgspec.Raw = msgspec.Raw(b"null")


class Limit(msgspec.Struct):
    """The payload of the answer to a request with too many rows."""

    maximum_labels_allowed: int | None = None


def judge_legacy(answer: Answer, rows: Mapping[str, str] = NO_ROWS, *, value: bool = False) -> Verdict:
    """Judge an answer of the legacy family.

    `rows` maps every name that a row of the request may have in an error (data hash, label hash) to its
    target id. `value`: a null in the place of the result is a failure.
    """
    if (verdict := _by_status(answer)) is not None:
        return verdict
    try:
        envelope = msgspec.json.decode(answer.body, type=Envelope)
    except (msgspec.DecodeError, ValueError):
        envelope = Envelope()
    if envelope.status is None:
        return _without_envelope(answer)
    if envelope.status != OK:
        return _by_code(envelope, rows)
    if value and bytes(envelope.response).strip() == b"null":
        return Retry("Encord answered with nothing where it says what it saved")
    return Ok()


def judge_rest(answer: Answer) -> Verdict:
    """Judge an answer of REST v2."""
    if (verdict := _by_status(answer)) is not None:
        return verdict
    if OK <= answer.status < 300 and web_page(answer.body) is None:  # noqa: PLR2004 - the good statuses
        return Ok()
    return _without_envelope(answer)


def _by_status(answer: Answer) -> Verdict | None:
    """Judge the two statuses that come before any envelope."""
    if answer.status == TOO_MANY:
        return Retry("Encord asks for fewer requests", _after(answer), pushback=True)
    if answer.status == TOO_LARGE:
        return Reject(f"the request is too large: {_message(answer.body)}", too_large=True)
    return None


def _without_envelope(answer: Answer) -> Verdict:
    status, message = answer.status, _message(answer.body)
    if status == UNAUTHORISED:
        return Fatal(_CREDENTIALS, credentials=True)
    if status in {FORBIDDEN, MISSING}:
        return Fatal(f"Encord answered {status}: {message}; check `project` and `url`", missing=True)
    if status < 300:  # noqa: PLR2004 - a good status with a body that is not Encord's
        return Retry(f"the answer is not one of Encord's API: {message}; check `url`")
    if status == TIMED_OUT or status >= BROKEN:
        after = _after(answer)
        return Retry(f"Encord answered {status}: {message}", after, pushback=asks_for_less(status, after))
    where = "; check `url`" if web_page(answer.body) is not None else ""
    return Reject(f"Encord answered {status}: {message}{where}")


def _by_code(envelope: Envelope, rows: Mapping[str, str]) -> Verdict:
    code, text = _code(envelope.response), _text(envelope.payload)
    reason = _MEANINGS.get(code) or text or "no reason given"
    message = f"Encord answered {code or envelope.status}: {reason}"
    if code == "AUTHENTICATION_ERROR":
        return Fatal(_CREDENTIALS, credentials=True)
    if code == "AUTHORISATION_ERROR" or (code == "RESOURCE_NOT_FOUND_ERROR" and not rows):
        return Fatal(f"{message}; check `project` and `url`", missing=True)
    if code == "RATE_LIMIT_ERROR":
        return Retry("Encord asks for fewer requests", pushback=True)
    if code == "UNKNOWN_ERROR" or (not code and (envelope.status or 0) >= BROKEN):
        return Retry(message)
    if code == LIMIT:
        most = _most(envelope.payload)
        allowed = "" if most is None else f"; it takes {most}"
        return Reject(f"too many rows in one request{allowed}", too_large=True, at_most=most)
    named = {row: f"{code or envelope.status}: {part}" for row, part in _named(text, rows).items()}
    return Reject(message if text in message else f"{message} ({text})", named)


def _code(response: msgspec.Raw) -> str:
    """Return the error code: `response` is a list of one, and a text in some answers."""
    try:
        found: Any = msgspec.json.decode(response)
    except (msgspec.DecodeError, ValueError):
        return ""
    found = found[0] if isinstance(found, list) and found else found
    return found if isinstance(found, str) else ""


def _text(payload: msgspec.Raw) -> str:
    try:
        found = msgspec.json.decode(payload)
    except (msgspec.DecodeError, ValueError):
        return ""
    if found is None:
        return ""
    return found if isinstance(found, str) else bytes(payload).decode(errors="replace")


def _named(text: str, rows: Mapping[str, str]) -> dict[str, str]:
    """Return the reason of each row that a text names: the part of the text that holds its name."""
    named: dict[str, str] = {}
    for part in re.split(r"[;\n]", text):
        for name, row in rows.items():
            if name in part:
                named.setdefault(row, part.strip())
    return named


def _most(payload: msgspec.Raw) -> int | None:
    try:
        most = msgspec.json.decode(payload, type=Limit).maximum_labels_allowed
    except (msgspec.DecodeError, ValueError):
        return None
    return most if most is not None and most > 0 else None


def _message(body: bytes) -> str:
    """Return a short text from a body of unknown form: its `message` or `detail`, else its beginning."""
    if (page := web_page(body)) is not None:
        return page
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError):
        found = None
    if isinstance(found, dict):
        text = found.get("message") or found.get("detail")
        if isinstance(text, str):
            return text
    start = " ".join(body[:200].decode(errors="replace").split())
    return start or "an empty answer"


def _after(answer: Answer) -> float | None:
    """Return the seconds of Retry-After; a date is taken relative to the answer's own."""
    header = answer.headers.get("retry-after")
    sent = http_date(answer.headers.get("date", ""))
    if header is not None and not header.strip()[:1].isdigit() and sent is None:
        return None
    return retry_after(header, now=sent or 0.0)
