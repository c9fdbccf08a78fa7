"""What must be true of every row that is written over another, or taken away, whenever that is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops.records import runs
from mlops.records.leases import INSPECTION
from mlops.records.reviews import LOCK_SECONDS, WAITING

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Writer:
    """Who writes a row, at work on which message, and when (seconds)."""

    function: str
    message: Any
    now: float


def wrong_with(before: Row, after: Row, writer: Writer) -> Iterator[tuple[str, str]]:
    """(rule, what is wrong) of a row that took the place of another one, or of none; without `after` it was deleted."""
    pk, sk = str(before.get("pk", "")), str(before.get("sk", ""))
    # Of datasets that are served other rows say what people wish, and what was answered.
    kind = "STAGE" if sk.startswith("STAGE#") else pk if pk.startswith("SERVING") else pk.split("#")[0]
    if check := _CHECKS.get(kind) if after else None:
        yield from check(before, after)
    if check_owner := _OWNED.get(kind):
        yield from check_owner(before, after, writer)


def _image(before: Row, after: Row) -> Iterator[tuple[str, str]]:
    if str(after["sequencer"]) < str(before["sequencer"]):
        yield "a newer event about a file stays recorded", f"{after['sk']}: an older one came over it"


def _approval(before: Row, after: Row) -> Iterator[tuple[str, str]]:
    is_decided = before.get("state") in ("APPROVED", "REJECTED")
    if is_decided and any(after.get(name) != before[name] for name in ("state", "approver")):
        yield "the first decision wins", f"{before['approver']}'s {before['state']} was overwritten"


def _stage(before: Row, after: Row) -> Iterator[tuple[str, str]]:
    if before.get("state") not in (runs.COMPLETED, runs.FAILED):
        return
    if after["state"] == runs.IN_PROGRESS and after["cause"] == before["cause"]:
        yield "a cause is worked off once", f"{after['sk']} of {after['pk']} begins again for {after['cause']}"
    if after["state"] == runs.WAITING:
        yield "what has ended does not wait", f"{after['sk']} of {after['pk']} waits for {after['waiting_for']}"


def _release(before: Row, after: Row) -> Iterator[tuple[str, str]]:
    told = {name: after.get(name) for name in before if name != "announced"}
    if str(after["sk"]).startswith("HISTORY#") and any(told[name] != before[name] for name in told):
        yield "the history of releases is only added to", f"{after['sk']} of {after['pk']} was written anew"


def _review(before: Row, after: Row) -> Iterator[tuple[str, str]]:
    if before["revision"] and before["answer"] != after["answer"] and before["session"] != after["session"]:
        yield "a review is answered once", f"{after['reviewer']} came over {before['reviewer']}"
    if before["state"] != WAITING and after["state"] == WAITING:
        yield "a picture is asked about once", f"{after['pk']} was {before['state']}, and waits again"
    if before["side"] and after["side"] != before["side"]:
        yield "a picture is filed once", f"{after['pk']} moved from {before['side']} to {after['side']}"
    # Whoever takes a picture has it for some minutes: until then it is nobody else's.
    is_locked = before["session"] and after["locked_until"] - LOCK_SECONDS < before["locked_until"]
    if before["state"] == after["state"] == WAITING and is_locked and after["session"] not in ("", before["session"]):
        yield "one person a picture", f"{after['pk']} was taken from {before['session']} by {after['session']}"


def _inspection(before: Row, after: Row) -> Iterator[tuple[str, str]]:
    if not before["refused"] and any(before[name] != after[name] for name in ("verdict", "told", "refused")):
        yield "an inspection is made once", f"{before['key']} was {before['verdict']} before"


def _serving(before: Row, after: Row, writer: Writer) -> Iterator[tuple[str, str]]:
    if after and after["hop"] < before["hop"]:
        yield _ROUNDS, f"round {after['hop']} of {after['sk']} came over round {before['hop']}"
    if not after and writer.function == "serve" and writer.message["hop"] < before["hop"]:
        yield _ROUNDS, f"round {writer.message['hop']} of {before['sk']} ended round {before['hop']}"


def _lease(before: Row, after: Row, writer: Writer) -> Iterator[tuple[str, str]]:
    is_of_serve = before.get("stage") == INSPECTION
    # Two rounds at the same moment lease it for the same.
    is_for_the_same = is_of_serve and after.get("stage") == INSPECTION
    is_another = after and after["lease_id"] != before["lease_id"] and not is_for_the_same
    if is_another and before["expires_at"] > writer.now:
        yield _LEASES, f"{before['lease_id']} of {before['pk']} gave way to {after['lease_id']}"
    # The sweeper ends what it stops, whatever that is.
    if not after and writer.function != "model_sweeper" and is_of_serve != (writer.function == "serve"):
        yield _LEASES, f"{writer.function} ended {before['lease_id']} of {before['pk']}, which is for {before['stage']}"


_ROUNDS, _LEASES = "a later round goes on", "a lease is of whoever took it"
_OWNED = {"SERVING": _serving, "LEASE": _lease}
_CHECKS = {
    "IMAGES": _image,
    "APPROVAL": _approval,
    "STAGE": _stage,
    "RELEASE": _release,
    "REVIEW": _review,
    "INSPECTION": _inspection,
}
