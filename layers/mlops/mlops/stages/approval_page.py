"""The approval page behind the link: GET shows, POST decides."""

from collections.abc import Mapping
from typing import Any

from mlops import stack
from mlops.reading import evidence, pages, production
from mlops.records import approvals, releases
from mlops.stage import before
from mlops.stages import approval
from mlops.stages.approval import Decision, DecisionRefused
from mlops.words import shortened


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
        return pages.page(404, "unknown.html")
    if asked.state != approvals.PENDING:
        return pages.page(200, "decided.html", approval=asked)
    source = before(asked.target)
    known = evidence.load(asked.run_id, source)
    history = releases.history(asked.dataset, asked.task)
    return pages.page(
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
        production=production.beside(asked.dataset),
        releases=history[: evidence.MOST_SHOWN_RELEASES],
        earlier_releases=len(history[evidence.MOST_SHOWN_RELEASES :]),
        **known,
    )


def _decide(form: Decision, source: Mapping[str, str]) -> dict[str, Any]:
    try:
        return pages.page(200, "decided.html", approval=approval.decide(form, source))
    except DecisionRefused as refusal:
        return _show(form.token, str(refusal), form)
    except LookupError:
        return pages.page(404, "unknown.html")


def _form(event: Mapping[str, Any]) -> Decision:
    fields = pages.fields_of(event)
    names = ("token", "decision", "approver", "confirmation", "comment")
    # Browsers send line breaks as two characters.
    return Decision(**{name: fields.get(name, [""])[0].replace("\r\n", "\n") for name in names})
