"""What must be true after every history, whatever went wrong in it."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from mlops.records.runs import Run
from mlops.stage import DECISION
from tests.simulation.people import ARTIFACTS, DATA
from tests.simulation.plans import DATASETS, MANIFEST, Plan
from tests.simulation.play import Play, Violation
from tests.simulation.reasons import STOPPED, is_just, uploads_of

Broken = list[tuple[str, str]]


@lru_cache(maxsize=2)
def _rows(play: Play) -> dict[tuple[str, str], dict[str, Any]]:
    """The table as it is at the end."""
    return play.table.memory.snapshot()


@lru_cache(maxsize=8)
def _runs_of(play: Play, dataset: str) -> list[Run]:
    """The runs of a dataset as they are at the end."""
    return play.runs_of(dataset)


def outcome(plan: Plan) -> tuple[Play, Broken]:
    """Play a history and say what is broken in it."""
    play = Play(plan)
    try:
        play.run()
    except Violation as violation:
        return play, [*play.broken, (violation.rule, str(violation))]
    broken = [*play.broken, *broken_at_the_end(play)]
    if plan.others:
        other, broken_there = outcome(replace(plan, faults=plan.others, others=()))
        broken += [*broken_there, *((_ONE_END, message) for message in differing(play, other))]
    return play, broken


_ONE_END = "one end state for the same uploads"


def differing(play: Play, other: Play) -> Iterator[str]:
    """In what two histories of the same plan end otherwise."""
    if any(_was_stopped(each) for each in (play, other)):
        return
    mine, theirs = end_of(play), end_of(other)
    for name, found in mine.items():
        if found != theirs[name]:
            yield f"{name}: {found} here, {theirs[name]} there"


def _was_stopped(play: Play) -> bool:
    """Whether a test came to no end: people have to repeat it."""
    reasons = (reason for run in _runs(play) for stage in run.stages for reason in stage.reasons)
    return any(re.search(STOPPED, reason) for reason in reasons)


def broken_at_the_end(play: Play) -> Broken:
    found: Broken = []
    for check in (
        _uploads,
        _records,
        _trainings,
        _waiting,
        _failures,
        _releases,
        _running,
        _let_in,
        _mails,
        _decisions,
        _partial,
        _inspections,
        _days,
        _reviews,
        _filed,
    ):
        found += [(_NAMES[check.__name__], message) for message in check(play)]
    return found


_NAMES = {
    "_uploads": "every upload is in a run or refused with a reason",
    "_records": "records agree with the bucket",
    "_trainings": "one training a run",
    "_waiting": "nothing waits for ever",
    "_failures": "a run only fails for a reason",
    "_releases": "one release, on a tested version that a decision allows",
    "_running": "nothing runs that nobody may use",
    "_let_in": "every version is where somebody let it in, and tested once for it",
    "_mails": "no mail twice",
    "_decisions": "every decision has its effect",
    "_inspections": "every new picture has one answer",
    "_days": "every answer is in the file of its day",
    "_reviews": "no answer of a person is lost",
    "_filed": "what people answered is filed, once",
    "_partial": "a run is what was in the bucket when it had settled",
}


def _present(play: Play, dataset: str) -> dict[str, str]:
    prefix = f"datasets/{dataset}/"
    return {k: v.etag for k, v in play.objects.present(DATA).items() if k.startswith(prefix)}


def _content(play: Play, run_id: str) -> tuple[dict[str, str], dict[str, str]]:
    """Etags by key of what a run trains and tests on, and what it refuses with which reason."""
    inventory = play.objects.text(ARTIFACTS, f"runs/{run_id}/images.jsonl") or ""
    rows = [json.loads(line) for line in inventory.split("\n") if line]
    refused = json.loads(play.objects.text(ARTIFACTS, f"runs/{run_id}/ground_truth.json") or "{}").get("refused", {})
    return {row["key"]: row["etag"] for row in rows}, refused


def _is_content(key: str) -> bool:
    """Whether a run is about it; what is said of pictures is not."""
    return not key.endswith((".txt", "dataset.json", "annotations.manifest", "_mask.png"))


def _is_of_people(key: str) -> bool:
    return _is_content(key) and "/images/reviewed/" not in key


def _uploads(play: Play) -> Iterator[str]:
    for dataset in DATASETS:
        present = {k: e for k, e in _present(play, dataset).items() if _is_content(k)}
        if not present:
            continue
        # A file that is refused alone makes no new run: its record has the reason.
        rows = [i for (pk, _), i in _rows(play).items() if pk.startswith(f"IMAGES#{dataset}#")]
        alone = {row["sk"]: row["reason"] for row in rows if row["state"] == "REFUSED"}
        known = [_content(play, run.run_id) for run in _runs_of(play, dataset)]
        known = [(images, {**refused, **alone}) for images, refused in known]
        if not any(_matches(present, images, refused) for images, refused in known):
            last = known[-1] if known else ({}, {})
            odd = sorted(k for k in present if present[k] != last[0].get(k) and k not in last[1])
            gone = sorted(last[0].keys() - present.keys())
            yield f"no run of {dataset} has exactly what is there; the last lacks {odd} and still has {gone}"


def _matches(present: dict[str, str], images: dict[str, str], refused: dict[str, str]) -> bool:
    # The same bytes once more make no new run either.
    bytes_of = set(images.values())
    in_run = all(
        images.get(k) == e or refused.get(k) or (k not in images and e in bytes_of) for k, e in present.items()
    )
    return in_run and images.keys() <= present.keys()


def _records(play: Play) -> Iterator[str]:
    rows = [i for (pk, _), i in _rows(play).items() if pk.startswith("IMAGES#")]
    recorded = {row["sk"]: row.get("etag", "") for row in rows if row["state"] != "DELETED"}
    there = {k: e for dataset in DATASETS for k, e in _present(play, dataset).items() if not k.endswith(".txt")}
    for key in sorted(recorded.keys() | there.keys()):
        if recorded.get(key) != there.get(key):
            yield f"{key} is {there.get(key)} and recorded as {recorded.get(key)}"


def _trainings(play: Play) -> Iterator[str]:
    again = Counter(play.people.repeated)
    for name, count in Counter(play.labels.trained).items():
        # A person asked for it again, and the model had been deleted.
        if count > 1 + again[name]:
            yield f"{name} was trained {count} times"


def _runs(play: Play) -> Iterator[Any]:
    for dataset in DATASETS:
        yield from _runs_of(play, dataset)


def _waiting(play: Play) -> Iterator[str]:
    for run in _runs(play):
        for stage in run.stages:
            if not stage.has_ended and stage.waiting_for != DECISION:
                yield f"{stage.name} of {run.run_id} is {stage.state} for {stage.waiting_for or 'nothing'!r}"
        done = {(stage.stage, stage.environment): stage for stage in run.stages}
        for before, after in _FOLLOWS.items():
            if before in done and done[before].state == "COMPLETED" and after not in done:
                yield f"{after[0]} of {run.run_id} in {after[1]} never began"
        for target in ("staging", "production"):
            asked = done.get((f"approve2{target}", target))
            if asked and asked.waiting_for == DECISION and not _was_asked(play, run.run_id, target):
                yield f"{run.run_id} waits for a decision about {target} that nobody was asked for"


_FOLLOWS = {
    ("ground_truth", "development"): ("data_prepare", "development"),
    ("data_prepare", "development"): ("training", "development"),
    ("training", "development"): ("eval_metric", "development"),
    ("eval_metric", "development"): ("inference_test", "development"),
    ("inference_test", "development"): ("approve2staging", "staging"),
    ("approve2staging", "staging"): ("inference_test", "staging"),
    ("inference_test", "staging"): ("approve2production", "production"),
    ("approve2production", "production"): ("inference_test", "production"),
}


def _was_asked(play: Play, run_id: str, target: str) -> bool:
    return any(subject.startswith("Approve") and target in subject and run_id in subject for subject, _ in play.mails)


def _failures(play: Play) -> Iterator[str]:
    for run in _runs(play):
        for stage in run.stages:
            if stage.reasons and not any(is_just(play, run, reason) for reason in stage.reasons):
                yield f"{stage.name} of {run.run_id} failed: {stage.reasons[0]}"
    # Where models are slow, functions that would run beside each other wait for each other here.
    is_calm = not play.plan.faults and not play.plan.account.answer_seconds
    if is_calm and not any(action.what in ("stop", "forge") for action in play.plan.actions):
        for run in _runs(play):
            for stage in run.stages:
                for reason in stage.reasons:
                    if re.search(STOPPED, reason) and "images" not in reason:
                        yield f"{stage.name} of {run.run_id} failed though nothing went wrong: {reason}"


def _releases(play: Play) -> Iterator[str]:
    rows = _rows(play)
    places = sorted({pk for pk, _ in rows if pk.startswith("RELEASE#")})
    for pk in places:
        history = [item for (p, sk), item in rows.items() if p == pk and sk.startswith("HISTORY#")]
        current = rows.get((pk, "CURRENT"))
        newest = max(history, key=lambda item: item["tested_at"])
        if current is None or (current["run_id"], current["lease_id"]) != (newest["run_id"], newest["lease_id"]):
            yield f"{pk} has {current and current['run_id']}, the test of {newest['run_id']} was later"
            continue
        tests = Counter((item["run_id"], item["lease_id"]) for item in history)
        yield from (f"{pk} has {test} {n} times" for test, n in tests.items() if n > 1)
        for item in history:
            yield from _may_be_released(play, rows, item)
        parameter = play.out.parameters.get(f"/s/models/{pk.removeprefix('RELEASE#').replace('#', '/')}")
        if parameter is None or parameter["version_arn"] != current["version_arn"]:
            yield f"the parameter of {pk} has {parameter and parameter['run_id']}, the release is {current['run_id']}"
            continue
        is_running = current["version_arn"] in play.labels.of("STARTING", "RUNNING")
        if parameter["is_running"] != is_running and not any(action.what == "stop" for action in play.plan.actions):
            yield f"the parameter of {pk} says is_running {parameter['is_running']}, which it is not"


def _may_be_released(play: Play, rows: Any, item: Any) -> Iterator[str]:
    where = f"{item['run_id']} in {item['environment']}"
    if not item["approver"]:
        yield f"{where} was released by nobody"
    result = json.loads(
        play.objects.text(ARTIFACTS, f"runs/{item['run_id']}/{item['environment']}/inference_test.json") or "{}"
    )
    if not result:
        yield f"{where} was released without a test"
    if result.get("lease_id") == item["lease_id"] and result.get("reasons"):
        yield f"{where} was released though its test failed"
    approved = [
        row
        for (pk, _), row in rows.items()
        if pk.startswith("APPROVAL#")
        and (row["run_id"], row["target"], row["state"]) == (item["run_id"], item["environment"], "APPROVED")
    ]
    if not item["is_rollback"] and not any(row.get("approver") == item["approver"] for row in approved):
        yield f"{where} was released in the name of {item['approver']}, who did not approve it"


def _running(play: Play) -> Iterator[str]:
    rows = _rows(play)
    kept = dict(rows.get(("KEPT", "MODELS"), {}).get("models", {}))
    running = play.labels.of("STARTING", "RUNNING")
    yield from (f"{arn} runs, and nobody keeps it" for arn in sorted(running - set(kept.values())))
    if not any(action.what == "stop" for action in play.plan.actions):
        yield from (f"{arn} is kept, and does not run" for arn in sorted(set(kept.values()) - running))
    for slot, arn in kept.items():
        current = rows.get((f"RELEASE#{slot}", "CURRENT"))
        if current is None or current["version_arn"] != arn:
            yield f"{arn} is kept for {slot}, which has another release"


def _let_in(play: Play) -> Iterator[str]:
    rows = _rows(play)
    for arn in play.labels.models:
        name, environment = arn.split("/")[3], arn.split("/")[1].rsplit("-", 1)[1]
        approved = [
            row
            for (pk, _), row in rows.items()
            if pk.startswith("APPROVAL#") and (row["run_id"], row["target"]) == (name, environment)
        ]
        if environment != "development" and not any(row["state"] == "APPROVED" for row in approved):
            yield f"{name} is in {environment}, where nobody let it in"
    for arn in play.labels.models:
        for decision, count in Counter(decision for _, decision in _tests_of(play, arn) if decision).items():
            if count > 1:
                yield f"{arn} was tested {count} times for the decision {decision}"
    for name, count in Counter(play.tested_starts).items():
        if count > 1 + len(_tests_of(play, name)):
            yield f"{name} was started {count} times for {len(_tests_of(play, name))} tests"


def _tests_of(play: Play, arn: str) -> set[tuple[str, str]]:
    """Lease and decision of every test of a version that has a result."""
    name, environment = arn.split("/")[3], arn.split("/")[1].rsplit("-", 1)[1]
    versions = play.objects.buckets.get(ARTIFACTS, {}).get(f"runs/{name}/{environment}/inference_test.json", [])
    results = [json.loads(version.data or b"{}") for version in versions]
    return {(result["lease_id"], result["decision"]) for result in results}


def _mails(play: Play) -> Iterator[str]:
    subjects = {same: subject for subject, same in play.mails}
    for same, count in Counter(same for _, same in play.mails).items():
        if count > 1 + play.excused[same]:
            yield f"{subjects[same]!r} was sent {count} times"
    for (about, day), count in play.review_mails.items():
        if count > 1:
            yield f"the mail about reviews of {about} was sent {count} times on day {day}"


def _decisions(play: Play) -> Iterator[str]:
    """An approved run is released, or its way there failed for a reason."""
    rows = _rows(play)
    for (pk, sk), row in rows.items():
        if not pk.startswith("APPROVAL#") or sk != "APPROVAL" or row["state"] == "PENDING":
            continue
        run_id, target = row["run_id"], row["target"]
        stages = {
            s.stage: s
            for run in _runs_of(play, row["dataset"])
            if run.run_id == run_id
            for s in run.stages
            if s.environment == target
        }
        failed = [s for s in stages.values() if s.state == "FAILED"]
        place = f"RELEASE#{row['dataset']}#{row['task']}#{target}"
        released = any(p == place and s.startswith("HISTORY#") and i["run_id"] == run_id for (p, s), i in rows.items())
        if row["state"] == "APPROVED" and not released and not failed:
            yield f"{run_id} was approved for {target}, and was neither released nor refused"
        # Where it was tested again, somebody was asked again.
        asked = rows.get((f"RUN#{run_id}", f"APPROVAL#{target}"), {})
        if row["state"] == "REJECTED" and not failed and not released and asked.get("token_hash") == pk:
            yield f"{run_id} was rejected for {target}, and no stage says so"


def _partial(play: Play) -> Iterator[str]:
    """Where no event was late: no run of half an upload."""
    disturbed = {"ingest", "ground_truth", "model_sweeper", ""}
    if any(fault.function in disturbed or fault.kind == "pause" for fault in play.plan.faults):
        return
    # Whoever uploads dataset.json says that all is there.
    if any("dataset.json" in action.keys for action in play.plan.actions):
        return
    # What people answered is filed picture by picture, and settles like any upload.
    states = [{k: e for k, e in state.items() if _is_of_people(k)} for state in play.people.states]
    for run in _runs(play):
        found, refused = _content(play, run.run_id)
        images = {key: etag for key, etag in found.items() if _is_of_people(key)}
        # No detector learns from pictures without a defect.
        clean = {key: "clean" for state in states for key in state if run.task == "detection" and "/good/" in key}
        if not any(_matches(state, images, {**clean, **refused}) for state in states):
            yield f"{run.run_id} is of what never was there, or was half of an upload"


def _inspections(play: Play) -> Iterator[str]:
    """Every picture that was dropped has a record and a result, and none is told twice."""
    rows = [row for (pk, _), row in _rows(play).items() if pk.startswith("INSPECTION#")]
    known = {(row["key"], row["digest"]): row for row in rows}
    for key, count in play.people.dropped.items():
        version = play.objects.present(DATA)[key]
        digest = hashlib.sha256(version.data or b"").hexdigest()
        row = known.get((key, digest))
        if row is None:
            yield f"{key} has no answer"
            continue
        text = play.objects.text(ARTIFACTS, f"results/{key.split('/', 1)[1]}.json")
        if text is None or json.loads(text)["digest"] != digest:
            yield f"the result of {key} is {'of other bytes' if text else 'missing'}"
        if not row.get("announced"):
            yield f"{key} was answered, and nobody was told"
        if play.inspected[key] > count + play.excused[key]:
            yield f"{key} was dropped {count} times and told of {play.inspected[key]} times"
    for (pk, sk), row in _rows(play).items():
        if pk.startswith("ARRIVALS#"):
            yield f"{row['key']} still waits in line at {sk}"
        if pk == "SERVING":
            yield f"{sk} is still looked after: {row['state']}"


def _days(play: Play) -> Iterator[str]:
    """Every answer has a line in the files of days, beside a refusal that gave way to it; refusals have a reason."""
    lines = Counter(
        (line["key"], line["digest"], line["refused"])
        for key, version in play.objects.present(ARTIFACTS).items()
        if key.endswith(".jsonl") and key.startswith("results/")
        for line in map(json.loads, (version.data or b"").decode().splitlines())
    )
    for (pk, _), row in _rows(play).items():
        if not pk.startswith("INSPECTION#"):
            continue
        counts = [lines[row["key"], row["digest"], refused] for refused in (row["refused"], True)]
        if (count := max(counts)) != 1 or not counts[0]:
            yield f"{row['key']} has {count} lines in the files of days"
        if row["refused"] and not json.loads(row["told"])["reasons"]:
            yield f"{row['key']} was refused for no reason"


def _reviews(play: Play) -> Iterator[str]:
    rows = _rows(play)
    for (dataset, digest), answer in play.people.kept.items():
        kept = rows.get((f"REVIEW#{dataset}#{digest}", "REVIEW"), {})
        wanted = [] if answer == "unknown" else [answer.removeprefix("label:")]
        if not kept or json.loads(kept["answer"])["labels"] != wanted:
            yield f"{answer} was kept of {digest[:8]}, and the record has {kept and kept['answer']}"


def _filed(play: Play) -> Iterator[str]:
    """What was answered is data once there is enough of it: a picture, and one line, on one side."""
    rows = _rows(play)
    reviews = [row for (pk, sk), row in rows.items() if pk.startswith("REVIEW#") and sk == "REVIEW"]
    enough = play.plan.account.retrain_after
    for dataset in DATASETS:
        own = [row for row in reviews if row["dataset"] == dataset]
        left = [row for row in own if row["state"] == "ANSWERED"]
        if enough and len(left) >= enough:
            yield f"{len(left)} answers about {dataset} wait, {enough} are enough"
        text = play.objects.text(DATA, f"datasets/{dataset}/annotations.manifest") or ""
        filed = Counter(json.loads(line)["source-ref"] for line in text.splitlines())
        yield from (f"{name} of {dataset} is filed {count} times" for name, count in filed.items() if count > 1)
        pictures = {key.removeprefix(f"datasets/{dataset}/") for key in _present(play, dataset)}
        yield from (f"{name} of {dataset} is filed, and is not there" for name in sorted(filed.keys() - pictures))
        for row in own:
            name = f"images/reviewed/{row['digest']}.{row['picture'].rsplit('.', 1)[-1]}"
            says = bool(json.loads(row["answer"])["labels"])
            if row["state"] == "CLOSED" and says != bool(filed[name]) and not uploads_of(play, MANIFEST):
                yield f"{name} of {dataset} is {'not ' if says else ''}filed, and its answer is {row['answer']}"


def end_of(play: Play) -> dict[str, Any]:
    """What has come of uploads and decisions, without the times at which it came."""
    rows = _rows(play)
    return {
        "records": {sk: row.get("etag", "") for (pk, sk), row in rows.items() if pk.startswith("IMAGES#")},
        "runs": {
            run.run_id: sorted((stage.stage, stage.environment, stage.state, stage.reasons) for stage in run.stages)
            for run in _runs(play)
        },
        "contents": {run.run_id: _content(play, run.run_id) for run in _runs(play)},
        "releases": {pk: row["run_id"] for (pk, sk), row in rows.items() if sk == "CURRENT"},
        "parameters": {name: value["run_id"] for name, value in play.out.parameters.items()},
        "running": sorted(arn.split("/")[1] + arn.split("/")[3] for arn in play.labels.of("STARTING", "RUNNING")),
        "inspections": {
            (row["key"], row["digest"]): row["verdict"] for (pk, _), row in rows.items() if pk.startswith("INSPECTION#")
        },
        "waiting": sorted(pk for pk, _ in rows if pk.startswith(("WAITING", "ARRIVALS", "SERVING#", "LEASE"))),
    }
