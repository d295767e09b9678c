"""A web page is told from an answer of an API, and named by its title."""

import pytest

from pipeline.core.web_page import web_page


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"<html><head><TITLE>\n 502 Bad\n Gateway</TITLE>", "a web page, '502 Bad Gateway'"),
        (b" \n<!DOCTYPE HTML>\n<title lang=en>A &amp; B</title>", "a web page, 'A & B'"),
        (b"\xef\xbb\xbf<html><body><h1>Sign in</h1><p>now", "a web page, 'Sign in now'"),
        (b"<html><title></title>", "a web page"),
        (b"<!-- a proxy --><p>", "a web page"),
        (b"<html>" + b"x" * 10000, f"a web page, {'x' * 100!r}"),
        (b"<html>\xff", "a web page, '\ufffd'"),
    ],
)
def test_a_page_is_named_by_its_title_or_its_first_words(body: bytes, name: str) -> None:
    assert web_page(body) == name


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'["<html>"]', b'"<html>"', b"<svg>", b"<?xml version='1.0'?><Error>", b"\x89PNG<html>"],
)
def test_anything_else_is_no_page(body: bytes) -> None:
    assert web_page(body) is None
