"""Tells a web page from an answer of an API: a proxy has sent its own, or the server is another one. Pure."""

import re
from html import unescape
from typing import Final

_START: Final = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|!--)", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]*>")
_LOOKED_AT: Final = 4096
_SHOWN: Final = 100


def web_page(body: bytes) -> str | None:
    """Return what to call a body that is a web page, by its title or its first words; None for any other."""
    if _START.match(body[:_LOOKED_AT]) is None:
        return None
    page = body[:_LOOKED_AT].decode("utf-8-sig", errors="replace")
    title = _TITLE.search(page)
    text = " ".join(unescape(title.group(1) if title else _TAG.sub(" ", page)).split())[:_SHOWN]
    return f"a web page, {text!r}" if text else "a web page"
