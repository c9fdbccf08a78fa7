"""The page: all e-mails, newest first, with their links clickable."""

import html
import re
from collections.abc import Sequence

from local.cloud.mail import Mail

LINK = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)]")

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
article { border: 1px solid #ccc; border-radius: 6px; padding: 1rem; margin: 1rem 0 }
h2 { font-size: 1.1rem; margin: 0 } p { color: #666; margin: 0 0 .8rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }
"""


def render(mails: Sequence[Mail]) -> str:
    """The whole page as HTML; every text from a mail is escaped."""
    articles = "\n".join(_article(mail) for mail in reversed(mails))
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Mailbox ({len(mails)})</title>
<style>{STYLE}</style></head>
<body><h1>Mailbox</h1>
{articles or "<p>No e-mail yet. This page looks again every five seconds.</p>"}
</body>
</html>
"""


def with_links(text: str) -> str:
    """`text` as HTML, its http(s) addresses as links."""
    parts, end = [], 0
    for found in LINK.finditer(text):
        address = html.escape(found[0])
        parts += [html.escape(text[end : found.start()]), f'<a href="{address}" rel="noreferrer">{address}</a>']
        end = found.end()
    return "".join([*parts, html.escape(text[end:])])


def _article(mail: Mail) -> str:
    return (
        f"<article><h2>{html.escape(mail.subject)}</h2>"
        f"<p>to {html.escape(mail.to)}, {mail.sent_at.astimezone():%Y-%m-%d %H:%M:%S}</p>"
        f"<pre>{with_links(mail.text)}</pre></article>"
    )
