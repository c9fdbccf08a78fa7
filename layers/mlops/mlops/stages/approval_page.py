"""The approval page behind the link: GET shows, POST decides."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from mlops import stack
from mlops.aws import buckets
from mlops.reading import evidence
from mlops.reading.rendering import render
from mlops.records import approvals, releases
from mlops.stage import before
from mlops.stages import approval
from mlops.stages.approval import Decision, DecisionRefused
from mlops.words import shortened

_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Strict-Transport-Security": "max-age=31536000",
}
_POLICY = (
    "default-src 'none'; img-src {pictures} data:; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def respond(event: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one HTTP API request (payload format 2.0)."""
    http = event["requestContext"]["http"]
    if http["method"] == "POST":
        return _decide(
            _form(event), {"source_ip": http["sourceIp"], "user_agent": shortened(http.get("userAgent", ""), 200)}
        )
    return _show((event.get("queryStringParameters") or {}).get("token", ""))


def _show(token: str, problem: str = "", given: Decision | None = None) -> dict[str, Any]:
    """The page; with a problem, and with what was `given`, when that cannot be accepted."""
    asked = approval.find(token)
    if asked is None:
        return _page(404, "unknown.html")
    if asked.state != approvals.PENDING:
        return _page(200, "decided.html", approval=asked)
    source = before(asked.target)
    known = evidence.load(asked.run_id, source)
    history = releases.history(asked.dataset, asked.task)
    return _page(
        400 if problem else 200,
        "approval.html",
        **{name: getattr(asked, name) for name in ("run_id", "dataset", "task", "target")},
        source=source,
        stays_running=stack.here().is_wanted(asked.target),
        token=token,
        problem=problem,
        given=given or {},
        expires=approval.expiry_text(asked.expires_at),
        confirmation=approval.confirmation_of(asked.run_id),
        pictures=evidence.links(known),
        lineage=evidence.lineage_of(known),
        releases=history[: evidence.MOST_SHOWN_RELEASES],
        earlier_releases=len(history[evidence.MOST_SHOWN_RELEASES :]),
        **known,
    )


def _decide(form: Decision, source: Mapping[str, str]) -> dict[str, Any]:
    try:
        return _page(200, "decided.html", approval=approval.decide(form, source))
    except DecisionRefused as refusal:
        return _show(form.token, str(refusal), form)
    except LookupError:
        return _page(404, "unknown.html")


def _form(event: Mapping[str, Any]) -> Decision:
    body = event.get("body") or ""
    text = base64.b64decode(body).decode("utf-8", "replace") if event.get("isBase64Encoded") else body
    fields = parse_qs(text, keep_blank_values=True, max_num_fields=20)
    names = ("token", "decision", "approver", "confirmation", "comment")
    # Browsers send line breaks as two characters.
    return Decision(**{name: fields.get(name, [""])[0].replace("\r\n", "\n") for name in names})


def _page(status: int, template: str, **values: Any) -> dict[str, Any]:
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY.format(pictures=buckets.artifacts_bucket().origin)}
    return {"statusCode": status, "headers": headers, "body": render(template, **values)}
