"""The pages: the list of all e-mails, newest first, and one e-mail beside it with its links clickable."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from markupsafe import Markup, escape

from local.cloud.mail import Mail
from local.looks import template

LINK = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)]")
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
# So many are listed beside an open one.
_NEARBY = 13
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Paragraph:
    """Lines up to an empty one. Those of a table are not wrapped, or nobody could read it."""

    html: Markup
    is_table: bool


def render_list(mails: Sequence[Mail]) -> str:
    """The list, which looks for new e-mails by itself."""
    return template(_TEMPLATES / "list.html").render(mails=mails[::-1], opened=None, clock=_clock)


def render_mail(mails: Sequence[Mail], key: str) -> str | None:
    """The page of one e-mail; None when there is none of that key."""
    newest_first = mails[::-1]
    place = next((place for place, mail in enumerate(newest_first) if mail.key == key), None)
    if place is None:
        return None
    first = max(0, min(place - _NEARBY // 2, len(mails) - _NEARBY))
    return template(_TEMPLATES / "mail.html").render(
        count=len(mails),
        mails=newest_first[first : first + _NEARBY],
        opened=newest_first[place],
        newer=newest_first[place - 1] if place else None,
        older=newest_first[place + 1] if place + 1 < len(newest_first) else None,
        paragraphs=list(paragraphs(newest_first[place].text)),
        clock=_clock,
    )


def render_missing() -> str:
    """The page for an address that leads to no e-mail."""
    return template(_TEMPLATES / "missing.html").render()


def paragraphs(text: str) -> Iterator[Paragraph]:
    """The text of an e-mail, paragraph by paragraph."""
    for has_words, group in groupby(text.splitlines(), key=lambda line: bool(line.strip())):
        lines = list(group)
        if has_words:
            yield Paragraph(with_links("\n".join(lines)), _is_table(lines))


def _is_table(lines: Sequence[str]) -> bool:
    """Whether at least two lines have three columns or more."""
    return sum(len(_GAP.findall(line)) >= 2 for line in lines) >= 2


def with_links(text: str) -> Markup:
    """`text` as HTML, its http(s) addresses as links."""
    parts, end = [], 0
    for found in LINK.finditer(text):
        address = escape(found[0])
        parts += [escape(text[end : found.start()]), Markup(f'<a href="{address}" rel="noreferrer">{address}</a>')]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
