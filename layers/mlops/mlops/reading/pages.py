"""Pages as an HTTP API answers with them (payload format 2.0), and the forms that come back."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import parse_qs

from mlops.aws import buckets
from mlops.codec import Json
from mlops.reading.rendering import render

# A link is for whoever has the mail: its page is kept by no cache, named to no other site, framed by none.
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Strict-Transport-Security": "max-age=31536000",
}
_POLICY = (
    "default-src 'none'; {scripts}img-src {pictures} data:; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# Far more than any form of ours has: a request may not fill the function's time with fields.
_MOST_FIELDS = 200


class Page(TypedDict):
    """What an HTTP API takes for an answer."""

    statusCode: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Request:
    """What an HTTP API says of a request; `token` is the one of its link, where it has any."""

    method: str
    path: str
    token: str
    source_ip: str
    user_agent: str
    fields: Mapping[str, list[str]]

    @classmethod
    def of(cls, event: Json) -> "Request":
        """Read an event of payload format 2.0."""
        http = event["requestContext"]["http"]
        return cls(
            str(http["method"]),
            str(event.get("rawPath", http.get("path", ""))),
            str((event.get("queryStringParameters") or {}).get("token", "")),
            str(http.get("sourceIp", "")),
            str(http.get("userAgent", "")),
            _fields_of(event) if http["method"] == "POST" else {},
        )

    def field(self, name: str, usual: str = "") -> str:
        """The first content of a field of the form."""
        return next(iter(self.fields.get(name, ())), usual)


def page(status: int, template: str, values: Mapping[str, object], *, has_script: bool = False) -> Page:
    """The answer with a rendered template; it runs the script of its own place, or none."""
    # No script of ours is inline, so that what somebody writes into a name is never one.
    scripts = "script-src 'self'; " if has_script else ""
    policy = _POLICY.format(scripts=scripts, pictures=buckets.artifacts_bucket().origin)
    return {
        "statusCode": status,
        "headers": {**HEADERS, "Content-Security-Policy": policy},
        "body": render(template, **values),
    }


def _fields_of(event: Json) -> dict[str, list[str]]:
    """What the form of a request was filled in with; nothing where it has more fields than any form of ours."""
    body = event.get("body") or ""
    text = base64.b64decode(body).decode("utf-8", "replace") if event.get("isBase64Encoded") else body
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
