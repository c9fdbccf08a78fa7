"""What must be true of every row that is written over another, whenever that is."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlops.records import runs
from mlops.records.reviews import LOCK_SECONDS, WAITING

Row = Mapping[str, Any]


def wrong_with(before: Row, after: Row) -> Iterator[tuple[str, str]]:
    """(rule, what is wrong) of a row that took the place of another one; either may be empty."""
    kind = str(after.get("pk", "")).split("#")[0]
    check = _CHECKS.get("STAGE" if str(after.get("sk", "")).startswith("STAGE#") else kind)
    if check and before:
        yield from check(before, after)


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


def _review(before: Row, after: Row) -> Iterator[tuple[str, str]]:
    if before["revision"] and before["answer"] != after["answer"] and before["session"] != after["session"]:
        yield "a review is answered once", f"{after['reviewer']} came over {before['reviewer']}"
    if before["side"] and after["side"] != before["side"]:
        yield "a picture is filed once", f"{after['pk']} moved from {before['side']} to {after['side']}"
    # Whoever takes a picture has it for some minutes: until then it is nobody else's.
    is_locked = before["session"] and after["locked_until"] - LOCK_SECONDS < before["locked_until"]
    if before["state"] == after["state"] == WAITING and is_locked and after["session"] not in ("", before["session"]):
        yield "one person a picture", f"{after['pk']} was taken from {before['session']} by {after['session']}"


def _inspection(before: Row, after: Row) -> Iterator[tuple[str, str]]:
    if not before["refused"] and any(before[name] != after[name] for name in ("verdict", "told", "refused")):
        yield "an inspection is made once", f"{before['key']} was {before['verdict']} before"


_CHECKS = {
    "IMAGES": _image,
    "APPROVAL": _approval,
    "STAGE": _stage,
    "REVIEW": _review,
    "INSPECTION": _inspection,
}
