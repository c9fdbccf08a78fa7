"""Opening the link of an approval e-mail as a person with a browser would."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

from mlops.words import shortened

LINK = re.compile(r"^\s*(https?://\S+/approval\?token=\S+)\s*$", re.MULTILINE)


class ApprovalError(RuntimeError):
    """The page, its form or its answer was not as expected; the message says what was there."""


@dataclass
class Field:
    """A form field: its value so far and, for choices, the values it offers."""

    value: str | None
    is_hidden: bool = False
    is_required: bool = False
    choices: list[str] = field(default_factory=list)


@dataclass
class Form:
    """What a browser knows about a form."""

    action: str
    method: str
    fields: dict[str, Field] = field(default_factory=dict)


class FormParser(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = attributes.get("method", "get").lower()
            self.forms.append(Form(attributes.get("action", ""), method))
        elif self.forms and tag == "option" and self._select:
            self._field(self._select, attributes).choices.append(attributes.get("value", ""))
        elif self.forms and tag in ("input", "textarea", "select", "button") and attributes.get("name"):
            self._add(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""

    def _add(self, tag: str, attributes: dict[str, str]) -> None:
        kind = attributes.get("type", "submit" if tag == "button" else "text")
        known = self._field(attributes["name"], attributes)
        known.is_hidden |= kind == "hidden"
        known.is_required |= "required" in attributes
        if tag == "select":
            self._select = attributes["name"]
        elif kind in ("radio", "checkbox", "submit"):
            known.choices.append(attributes.get("value", "on"))
        else:
            known.value = attributes.get("value", "")

    def _field(self, name: str, attributes: dict[str, str]) -> Field:
        return self.forms[-1].fields.setdefault(name, Field(value=None))


def approval_link(text: str) -> str | None:
    """The link that stands alone on a line of an e-mail, None when it asks for nothing."""
    found = LINK.search(text)
    return found[1] if found else None


def approve(link: str, answers: Mapping[str, str]) -> str:
    """Open the page, fill its form with `answers` (by field name), send it, and return the page that answers.

    A choice is answered by the value that the answer is a prefix of. Raises ApprovalError when the page does not
    open, has no form, requires a field that has no answer, or does not accept what was sent.
    """
    with browser() as opened:
        return send(opened, open_page(opened, link), answers).text


def browser() -> httpx.Client:
    """Whoever opens pages and sends their forms."""
    return httpx.Client(trust_env=False, timeout=60, follow_redirects=True)


def open_page(opened: httpx.Client, link: str) -> httpx.Response:
    """The page of a link. Raises ApprovalError when it does not open."""
    return _accepted(opened.get(link))


def send(opened: httpx.Client, page: httpx.Response, answers: Mapping[str, str]) -> httpx.Response:
    """Fill the form of a page with `answers` and send it; returns the page that answers. Raises ApprovalError."""
    form = _only_form(page.text)
    where = urljoin(str(page.url), form.action)
    return _accepted(opened.request(form.method, where, data=fill(form, answers)))


def fill(form: Form, answers: Mapping[str, str]) -> dict[str, str]:
    """What a browser would send: hidden fields as they are, the others as answered."""
    filled = {name: _value(name, known, answers.get(name)) for name, known in form.fields.items()}
    missing = [name for name, known in form.fields.items() if known.is_required and not filled[name]]
    if missing:
        raise ApprovalError(f"The approval form requires {', '.join(missing)}, and nobody said what to enter there.")
    return {name: value for name, value in filled.items() if value is not None}


def _value(name: str, known: Field, answer: str | None) -> str | None:
    if known.is_hidden or answer is None:
        return known.value
    if not known.choices:
        return answer
    chosen = [choice for choice in known.choices if choice.lower().startswith(answer.lower())]
    if not chosen:
        raise ApprovalError(f"The approval form offers {known.choices} for {name}, but not {answer!r}.")
    return chosen[0]


def _only_form(page: str) -> Form:
    parser = FormParser()
    parser.feed(page)
    if len(parser.forms) != 1:
        raise ApprovalError(f"The approval page has {len(parser.forms)} forms instead of one:\n{shortened(page, 2000)}")
    return parser.forms[0]


def _accepted(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        where = f"{answer.request.method} {answer.url.path}"
        raise ApprovalError(f"{where} answered {answer.status_code}: {_said(answer.text)}")
    return answer


def _said(page: str) -> str:
    """What a page tells: its alert, or else all of its words."""
    alert = re.search(r'role="alert">(.*?)</section>', page, re.DOTALL)
    body = alert[1] if alert else re.sub(r"<(style|head)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return shortened(" ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split()), 2000)
