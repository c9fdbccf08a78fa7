"""Approvals: what was put before a person, behind which link, and what was decided. The table never has the token."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from mlops import codec, stack
from mlops.aws import messages
from mlops.events import ModelApprovalDecided
from mlops.records import runs
from mlops.records.table import OWN, Item
from mlops.stage import DECISION, StageRef

PENDING, APPROVED, REJECTED = "PENDING", "APPROVED", "REJECTED"
PREFIX = "APPROVAL#"
_SK = "APPROVAL"
_SENT = "SENT"
# Approvals that are being decided, by name, until everybody knows; one that never is goes with its link.
_UNTOLD, _UNTOLD_DAYS = "UNTOLD", 30


@dataclass(frozen=True)
class Approval:
    """A result that a person decides about; `name` is what events and a run's rows call the decision.

    `target` is the environment that the version is to go to, and so is `environment`.
    """

    name: str
    run_id: str = ""
    dataset: str = ""
    task: str = ""
    stage: str = ""
    environment: str = ""
    target: str = ""
    artifact: str = ""
    artifact_digest: str = ""
    expires_at: int = 0
    state: str = PENDING
    approver: str | None = None
    comment: str = ""
    decided_at: str = ""
    passed_on: bool = False

    @property
    def ref(self) -> StageRef:
        """The stage that waits for the decision."""
        return StageRef(self.run_id, self.dataset, self.task, self.stage, self.environment)

    @property
    def has_expired(self) -> bool:
        """Whether the link is no good any more; what is decided stays so."""
        return self.state == PENDING and self.expires_at <= stack.here().clock.time()


@dataclass(frozen=True)
class Request:
    """Which approval a person was asked for about a run and an environment, and for which result."""

    approval: str
    artifact_digest: str = ""
    sent_at: str = ""
    state: str = _SENT


def name_of(token: str) -> str:
    """What the approval behind a link is called: of its token only the hash is kept."""
    return f"{PREFIX}{hashlib.sha256(token.encode()).hexdigest()}"


def begin(ref: StageRef, artifact: str, digest: str, token: str) -> Approval:
    """Write a pending approval of `ref.environment` for a result."""
    approval = Approval(
        name_of(token),
        **ref.as_detail(),
        target=ref.environment,
        artifact=artifact,
        artifact_digest=digest,
        expires_at=int(stack.here().clock.time()) + 86400 * stack.here().approval_days,
    )
    write(approval)
    return approval


def write(approval: Approval) -> None:
    """Put an approval as it is."""
    # What nobody has decided yet has no place in the row, and its name is the key.
    facts = codec.item_of(approval)
    known = {name: value for name, value in facts.items() if name != "name" and value not in (None, "", False)}
    OWN.put({"pk": approval.name, "sk": _SK, **known})


def find(name: str) -> Approval | None:
    """The approval of this name, also when it has expired."""
    # The name comes from an event: it must lead to no row of another kind.
    row = OWN.get(name, _SK) if name.startswith(PREFIX) else None
    return _read(name, row) if row else None


def decide(approval: Approval, state: str, approver: str, comment: str, source: Mapping[str, str]) -> Approval:
    """Record a decision, unless one was made or the link has expired; returns the approval as it stands then.

    `source` is from where it was sent.
    """
    # Written first: whoever dies after the decision leaves it where the hourly look finds it.
    expires = approval.expires_at + 86400 * _UNTOLD_DAYS
    OWN.put({"pk": _UNTOLD, "sk": approval.name, "expires_at": expires})
    decided = {"state": state, "approver": approver, "comment": comment, "decided_at": runs.now(), **source}
    # The expiry is part of the condition: DynamoDB removes rows late, and a clock was read before.
    is_open = Attr("state").eq(PENDING) & Attr("expires_at").gt(int(stack.here().clock.time()))
    OWN.update(approval.name, _SK, decided, is_open)
    # Of two who decide at once, the second is shown what the first decided.
    return find(approval.name) or approval


def pass_on(approval: Approval) -> None:
    """Tell of a decision, and remember that it was told."""
    runs.resume(approval.ref, DECISION)
    messages.put_event(
        ModelApprovalDecided(
            run_id=approval.run_id,
            dataset=approval.dataset,
            task=approval.task,
            environment=approval.target,
            approval=approval.name,
            decision="approved" if approval.state == APPROVED else "rejected",
            approver=approval.approver or "",
            comment=approval.comment,
        )
    )
    # After the event: whoever dies in between tells it again, and promotion bears that.
    OWN.update(approval.name, _SK, {"passed_on": True})
    OWN.delete(_UNTOLD, approval.name)


def untold() -> Iterator[Approval]:
    """Decisions that were made and of which nobody has been told yet."""
    for row in OWN.query(_UNTOLD):
        approval = find(str(row["sk"]))
        # It was noted before the decision was: who died in between has decided nothing.
        if approval and approval.state != PENDING and not approval.passed_on:
            yield approval


def asked_for(run_id: str, target: str) -> Request | None:
    """Which approval was asked for last about a run and an environment."""
    row = OWN.get(*_request_key(run_id, target))
    if row is None:
        return None
    known = {name: str(row.get(name, "")) for name in ("artifact_digest", "sent_at", "state")}
    return Request(str(row.get("token_hash", "")), **known)


def note_sent(approval: Approval) -> None:
    """Remember that the e-mail with the link of an approval was sent."""
    pk, sk = _request_key(approval.run_id, approval.target)
    facts = {"state": _SENT, "artifact_digest": approval.artifact_digest, "sent_at": runs.now()}
    OWN.put({"pk": pk, "sk": sk, "token_hash": approval.name, **facts})


def was_sent(run_id: str, target: str, digest: str) -> bool:
    """Whether somebody was asked about exactly this result."""
    asked = asked_for(run_id, target)
    return asked is not None and (asked.state, asked.artifact_digest) == (_SENT, digest)


def _request_key(run_id: str, target: str) -> tuple[str, str]:
    return runs.partition(run_id), f"{PREFIX}{target}"


def _read(name: str, row: Item) -> Approval:
    return codec.read(Approval, {**row, "name": name})
