"""Encord's timestamps, `Fri, 02 Jan 2026 03:04:05 UTC`, to ISO 8601 and back.

English names come from a fixed table: `strftime` would take them from the locale of the process.
"""

from datetime import UTC, datetime
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}
_WORDS = 6  # day of the week, day, month, year, clock, zone


@lru_cache(maxsize=4096)
def to_iso(text: str) -> str:
    """Return Encord's timestamp as ISO 8601 in UTC; text in any other form comes back as it is."""
    words = text.split()
    if len(words) == _WORDS and words[2] in _MONTH_NUMBERS and words[5] in ("UTC", "GMT"):
        month = _MONTH_NUMBERS[words[2]]
        return f"{words[3]}-{month:02d}-{int(words[1]):02d}T{words[4]}Z" if words[1].isdigit() else text
    return text


@lru_cache(maxsize=4096)
def to_encord(text: str) -> str | None:
    """Return an ISO 8601 timestamp (without a zone it is UTC) in Encord's form.

    Text that already has that form comes back as it is; None for text that is no timestamp.
    """
    if to_iso(text) != text:
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02d} {month} {moment.year:04d} {moment:%H:%M:%S} UTC"
