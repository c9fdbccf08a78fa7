"""A model that passed its test is put before a person: one link, one decision."""

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.conditions import Attr

from mlops import stack, words
from mlops.aws import buckets, messages
from mlops.reading import evidence, mails
from mlops.records import results, runs, table
from mlops.records.decisions import APPROVED, PENDING, REJECTED
from mlops.stage import DECISION, StageRef, after, approval_stage, ref_of

_TOKEN_BYTES = 32


class DecisionRefused(ValueError):  # noqa: N818
    """The form cannot be accepted; the message tells the person why."""


@dataclass(frozen=True)
class Decision:
    """What a person sent with the form."""

    token: str
    decision: str
    approver: str
    confirmation: str
    comment: str


def request(detail: Mapping[str, Any]) -> None:
    """Send the approval e-mail of a version that passed its test in an environment, once. Raises PermissionError."""
    source = str(detail["environment"])
    target = after(source)
    if target is None:
        return
    tested, _ = results.passed(detail)
    ref, artifact = tested.at(approval_stage(target), target), results.key_of(tested)
    pointer = f"APPROVAL#{target}"
    row = table.get(ref.row[0], pointer)
    if row and row["state"] == "SENT" and row["artifact_digest"] == digest_of(artifact):
        return
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    approval = _approval(ref, artifact, token)
    # Written before the mail: a delivery that dies in between leaves a token that nobody knows, and the next one sends.
    table.put(approval)
    runs.begin(ref, approval["artifact_digest"])
    runs.wait(ref, DECISION)
    terms = {
        "link": f"{stack.setting('APPROVAL_URL')}?token={token}",
        "source": source,
        "target": target,
        "confirmation": confirmation_of(ref.run_id),
        "expires": expiry_text(approval["expires_at"]),
    }
    known = evidence.load(ref.run_id, source)
    messages.send_mail(*mails.approval_mail(ref, known, stays_running=stack.is_wanted(target), **terms))
    sent = {"pk": ref.row[0], "sk": pointer, "state": "SENT", "artifact_digest": approval["artifact_digest"]}
    table.put({**sent, "token_hash": approval["pk"], "sent_at": runs.now()})


def cause_of(detail: Mapping[str, Any]) -> str:
    """What an e-mail is due for: a passed test, and its result as it is now. Raises PermissionError."""
    tested, _ = results.passed(detail)
    return f"{results.key_of(tested)}@{digest_of(results.key_of(tested))}"


def _approval(ref: StageRef, artifact: str, token: str) -> dict[str, Any]:
    expires_at = int(time.time()) + 86400 * int(stack.setting("APPROVAL_DAYS"))
    facts = {"artifact": artifact, "artifact_digest": digest_of(artifact), "expires_at": expires_at}
    return {"pk": _pk(token), "sk": "APPROVAL", "state": PENDING, "target": ref.environment, **ref.as_detail(), **facts}


def _pk(token: str) -> str:
    return f"APPROVAL#{hashlib.sha256(token.encode()).hexdigest()}"


def digest_of(artifact: str) -> str:
    """SHA-256 of an artifact: what was tested is what is approved."""
    return hashlib.sha256(buckets.artifacts_bucket().read(artifact).encode()).hexdigest()


def find(token: str) -> dict[str, Any] | None:
    """The approval behind a token; None for unknown and for expired ones alike."""
    approval = table.get(_pk(token), "APPROVAL") if token else None
    if approval and approval["state"] == PENDING and approval["expires_at"] <= time.time():
        return None
    return approval


def confirmation_of(run_id: str) -> str:
    """What must be typed: the end of the run's name, which a scanner that presses buttons does not type."""
    return run_id[-6:]


def decide(form: Decision, source: Mapping[str, str]) -> dict[str, Any]:
    """Record a decision and pass it on; the first one wins. Raises DecisionRefused, LookupError for unknown tokens."""
    approval = find(form.token)
    if approval is None:
        raise LookupError("unknown or expired")
    if approval["state"] == PENDING:
        _check(form, approval)
        decided = {
            "state": APPROVED if form.decision == "approve" else REJECTED,
            "approver": form.approver.strip(),
            "comment": form.comment.strip(),
            "decided_at": runs.now(),
            **source,
        }
        is_open = Attr("state").eq(PENDING) & Attr("expires_at").gt(int(time.time()))
        table.update(approval["pk"], "APPROVAL", decided, is_open)
        approval = table.get(approval["pk"], "APPROVAL") or approval
    if not approval.get("passed_on"):
        _pass_on(approval)
    return approval


def _check(form: Decision, approval: Mapping[str, Any]) -> None:
    if form.decision not in ("approve", "reject"):
        raise DecisionRefused("Choose either approve or reject.")
    if not form.approver.strip():
        raise DecisionRefused("Enter your name: it goes into the release history.")
    if problem := words.overlong(form.approver.strip(), form.comment.strip()):
        raise DecisionRefused(problem)
    if form.confirmation.strip().lower() != confirmation_of(approval["run_id"]):
        raise DecisionRefused("The last six characters of the run do not match. They are in the e-mail and above.")
    if digest_of(approval["artifact"]) != approval["artifact_digest"]:
        raise DecisionRefused("The test result changed after the e-mail was sent. Wait for the new e-mail.")


def _pass_on(approval: Mapping[str, Any]) -> None:
    detail = {name: approval[name] for name in ("run_id", "dataset", "task", "target", "approver", "comment")}
    decision = "approved" if approval["state"] == APPROVED else "rejected"
    runs.resume(ref_of(approval), DECISION)
    messages.put_event("Model Approval Decided", {**detail, "decision": decision, "approval": approval["pk"]})
    table.update(approval["pk"], "APPROVAL", {"passed_on": True})


def expiry_text(expires_at: int) -> str:
    return datetime.fromtimestamp(int(expires_at), UTC).strftime("%Y-%m-%d %H:%M UTC")
