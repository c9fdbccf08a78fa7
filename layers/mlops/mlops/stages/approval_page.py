"""The approval page behind the link: GET shows, POST decides."""

from collections.abc import Mapping

from mlops import stack
from mlops.codec import Json
from mlops.reading import evidence, pages, production
from mlops.reading.pages import Page, Request
from mlops.records import approvals, releases
from mlops.stage import before
from mlops.stages import approval
from mlops.stages.approval import Decision, DecisionRefused
from mlops.words import shortened


def respond(event: Json) -> Page:
    """Answer one HTTP API request (payload format 2.0)."""
    request = Request.of(event)
    if request.method == "POST":
        source = {"source_ip": request.source_ip, "user_agent": shortened(request.user_agent, 200)}
        return _decide(_form(request), source)
    # Mail scanners open links: whatever they ask with, nothing is changed.
    return _show(request.token)


def _show(token: str, problem: str = "", given: Decision | None = None) -> Page:
    """The page; with a problem, and with what was `given`, when that cannot be accepted."""
    asked = approval.find(token)
    if asked is None:
        return pages.page(404, "unknown.html", {})
    if asked.state != approvals.PENDING:
        return pages.page(200, "decided.html", {"approval": asked})
    source = before(asked.target)
    known = evidence.load(asked.run_id, source)
    history = releases.history(asked.dataset, asked.task)
    return pages.page(
        400 if problem else 200,
        "approval.html",
        {
            **known.by_name(),
            "run_id": asked.run_id,
            "dataset": asked.dataset,
            "task": asked.task,
            "target": asked.target,
            "source": source,
            "stays_running": stack.here().is_wanted(asked.target),
            "token": token,
            "problem": problem,
            "given": given or {},
            "expires": approval.expiry_text(asked.expires_at),
            "confirmation": approval.confirmation_of(asked.run_id),
            "pictures": evidence.links(known),
            "lineage": evidence.lineage_of(known),
            "production": production.beside(asked.dataset),
            "releases": history[: evidence.MOST_SHOWN_RELEASES],
            "earlier_releases": len(history[evidence.MOST_SHOWN_RELEASES :]),
        },
    )


def _decide(form: Decision, source: Mapping[str, str]) -> Page:
    try:
        return pages.page(200, "decided.html", {"approval": approval.decide(form, source)})
    except DecisionRefused as refusal:
        return _show(form.token, str(refusal), form)
    except LookupError:
        return pages.page(404, "unknown.html", {})


def _form(request: Request) -> Decision:
    names = ("token", "decision", "approver", "confirmation", "comment")
    # Browsers send line breaks as two characters.
    return Decision(**{name: request.field(name).replace("\r\n", "\n") for name in names})
