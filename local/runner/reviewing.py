"""Somebody who knows what every picture shows, at the page of reviews: forms are filled in as a browser sends them."""

import re
from collections.abc import Callable
from html import unescape

import httpx

from cli.decide import browser, open_page, send

_LINK = re.compile(r"^\s*(https?://\S+/review\?token=\S+)\s*$", re.MULTILINE)
_PICTURE = re.compile(r"<h1>What does <span>(.*?)</span> show", re.DOTALL)
_NORMAL = "normal"


def review_link(text: str) -> str | None:
    """The link to reviews that stands alone on a line of an e-mail, None when it asks for none."""
    found = _LINK.search(text)
    return found[1] if found else None


def answer_all(link: str, label_of: Callable[[str], str], reviewer: str) -> int:
    """Answer every picture that waits; `label_of` knows the label of a picture by its name. Returns how many."""
    count = 0
    with browser() as opened:
        page = open_page(opened, link)
        if "<form" not in page.text:
            return count
        page = send(opened, page, {"reviewer": reviewer, "answer": "begin"})
        while shown := _PICTURE.search(page.text):
            page = send(opened, page, _answer(page, label_of(unescape(shown[1]))))
            count += 1
    return count


def _answer(page: httpx.Response, label: str) -> dict[str, str]:
    if label == _NORMAL:
        return {"answer": _NORMAL}
    choice = f"label:{label}"
    if f'value="{choice}"' in page.text:
        return {"answer": choice}
    return {"answer": "new", "new_label": label}
