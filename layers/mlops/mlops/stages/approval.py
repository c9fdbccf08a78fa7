"""A model that passed its test is put before a person: one link, one decision."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops import stack, words
from mlops.aws import buckets, messages
from mlops.events import PipelineStageCompleted
from mlops.reading import evidence, mails, production
from mlops.records import approvals, results, runs
from mlops.records.approvals import APPROVED, PENDING, REJECTED, Approval
from mlops.stage import DECISION, after, approval_stage


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


def request(completed: PipelineStageCompleted) -> None:
    """Send the approval e-mail of a version that passed its test in an environment, once. Raises PermissionError."""
    source = completed.environment
    target = after(source)
    if target is None:
        return
    tested, _ = results.passed(completed.run_id, source)
    ref, artifact = tested.at(approval_stage(target), target), results.key_of(tested)
    # About exactly this result: a repeated test is asked about anew.
    if approvals.was_sent(ref.run_id, target, digest_of(artifact)):
        return
    token = stack.here().new_token()
    # Written before the mail: a delivery that dies in between leaves a token that nobody knows, and the next one sends.
    approval = approvals.begin(ref, artifact, digest_of(artifact), token)
    runs.begin(ref, approval.artifact_digest)
    runs.wait(ref, DECISION)
    terms = {
        "link": f"{stack.here().approval_url}?token={token}",
        "source": source,
        "target": target,
        "confirmation": confirmation_of(ref.run_id),
        "expires": expiry_text(approval.expires_at),
        "production": production.beside(ref.dataset),
    }
    known = evidence.load(ref.run_id, source)
    messages.send_mail(*mails.approval_mail(ref, known, stays_running=stack.here().is_wanted(target), **terms))
    # After it has gone: who dies in between sends a second mail rather than none.
    approvals.note_sent(approval)


def cause_of(completed: PipelineStageCompleted) -> str:
    """What an e-mail is due for: a passed test, and its result as it is now. Raises PermissionError."""
    tested, _ = results.passed(completed.run_id, completed.environment)
    return f"{results.key_of(tested)}@{digest_of(results.key_of(tested))}"


def digest_of(artifact: str) -> str:
    """SHA-256 of an artifact: what was tested is what is approved."""
    return hashlib.sha256(buckets.artifacts_bucket().read(artifact).encode()).hexdigest()


def find(token: str) -> Approval | None:
    """The approval behind a token; None for unknown and for expired ones alike."""
    approval = approvals.find(approvals.name_of(token)) if token else None
    # Nobody learns from the answer whether a token was ever good.
    return None if approval and approval.has_expired else approval


def confirmation_of(run_id: str) -> str:
    """What must be typed: the end of the run's name, which a scanner that presses buttons does not type."""
    return run_id[-6:]


def decide(form: Decision, source: Mapping[str, str]) -> Approval:
    """Record a decision and pass it on; the first one wins. Raises DecisionRefused, LookupError for unknown tokens."""
    approval = find(form.token)
    if approval is None:
        raise LookupError("unknown or expired")
    if approval.state == PENDING:
        _check(form, approval)
        state = APPROVED if form.decision == "approve" else REJECTED
        approval = approvals.decide(approval, state, form.approver.strip(), form.comment.strip(), source)
    if not approval.passed_on:
        approvals.pass_on(approval)
    return approval


def _check(form: Decision, approval: Approval) -> None:
    if form.decision not in ("approve", "reject"):
        raise DecisionRefused("Choose either approve or reject.")
    if not form.approver.strip():
        raise DecisionRefused("Enter your name: it goes into the release history.")
    if problem := words.overlong(form.approver.strip(), form.comment.strip()):
        raise DecisionRefused(problem)
    # Scanners of mails press buttons, too, but type nothing.
    if form.confirmation.strip().lower() != confirmation_of(approval.run_id):
        raise DecisionRefused("The last six characters of the run do not match. They are in the e-mail and above.")
    if digest_of(approval.artifact) != approval.artifact_digest:
        raise DecisionRefused("The test result changed after the e-mail was sent. Wait for the new e-mail.")


def expiry_text(expires_at: int) -> str:
    """When a link expires, as people read it."""
    return datetime.fromtimestamp(int(expires_at), UTC).strftime("%Y-%m-%d %H:%M UTC")
