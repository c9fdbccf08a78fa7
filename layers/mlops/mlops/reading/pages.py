"""Pages as an HTTP API answers with them (payload format 2.0), and the forms that come back."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from mlops.aws import buckets
from mlops.reading.rendering import render

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
_MOST_FIELDS = 200


def page(status: int, template: str, *, has_script: bool = False, **values: Any) -> dict[str, Any]:
    """The answer with a rendered template; it runs the script of its own place, or none."""
    scripts = "script-src 'self'; " if has_script else ""
    policy = _POLICY.format(scripts=scripts, pictures=buckets.artifacts_bucket().origin)
    return {
        "statusCode": status,
        "headers": {**HEADERS, "Content-Security-Policy": policy},
        "body": render(template, **values),
    }


def fields_of(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """What the form of a request was filled in with; nothing where it has more fields than any form of ours."""
    body = event.get("body") or ""
    text = base64.b64decode(body).decode("utf-8", "replace") if event.get("isBase64Encoded") else body
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
