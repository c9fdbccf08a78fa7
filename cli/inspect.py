"""New pictures from a folder: sent to be judged, and their answers. What was answered before is not sent again."""

import csv
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from cli import serve
from cli.stack import CommandRefused, Stack
from mlops.dataset.keys import KeyRefused, inspect_key, inspected_dataset, result_key
from mlops.dataset.limits import MAX_ASPECT, MAX_SIDE, MIN_SIDE
from mlops.dataset.mapping import fitted
from mlops.dataset.tiles import count_of
from mlops.judging.verdicts import DEFECT
from mlops.pictures.looking import MOST_BYTES_OF_A_FILE
from mlops.records import kept_models, releases, servings
from mlops.words import counted

PARALLEL = 8
FOUND_A_DEFECT = 3
# Long enough for the start to begin; what is running then stays while pictures come.
ASKED_MINUTES = 5.0
MOST_SECONDS = 2 * 3600.0
_LOOKED_AT_ONCE = 100
_COLUMNS = ("verdict", "label", "confidence", "file", "reasons", "seconds", "run_ids")
_MINUTE = 60
Answer = Mapping[str, Any]
Advance = Callable[[], object]


@dataclass(frozen=True)
class Plan:
    """The pictures by their keys in the data bucket, and the answers that there are about them.

    `before` are the times of other results under these keys, `sent` the versions of the objects that were put.
    """

    dataset: str
    files: Mapping[str, Path]
    answered: Mapping[str, Answer] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """The keys of the pictures that have no answer yet."""
        return [key for key in self.files if key not in self.answered]


@dataclass(frozen=True)
class Estimate:
    """How many pictures are to be judged, in how many seconds, and for how many US dollars; of those that are asked
    about in tiles, how many `tiles` that are."""

    pictures: int
    seconds: float
    usd: float
    tiles: int = 0

    def __str__(self) -> str:
        minutes = max(1, round(self.seconds / _MINUTE))
        cut = f" in {counted(self.tiles, 'tile')}" if self.tiles else ""
        return f"{counted(self.pictures, 'picture')}{cut}, about {minutes} min, about USD {self.usd:.2f}"


def find(path: Path, dataset: str) -> Plan:
    """The pictures of a folder, or the one that is named. Raises CommandRefused when there are none."""
    listed = [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())
    files = {}
    for file in listed:
        key = inspect_key(dataset, file.name if file == path else file.relative_to(path).as_posix())
        try:
            is_content = inspected_dataset(key)
        except KeyRefused as refusal:
            raise CommandRefused(str(refusal)) from refusal
        if is_content and file.stat().st_size <= MOST_BYTES_OF_A_FILE:
            files[key] = file
    if not files:
        raise CommandRefused(f"There are no pictures below {path}.")
    return Plan(dataset, files)


def with_answers(stack: Stack, plan: Plan, advance: Advance = lambda: None) -> Plan:
    """The same with the answers that there are about the same bytes; what was refused for now is asked about again."""

    def look(item: tuple[str, Path]) -> tuple[str, Answer | None, bool]:
        key, path = item
        answer = _answer(stack, key)
        is_about_it = answer is not None and answer["digest"] == _digest(path)
        advance()
        return key, answer, is_about_it

    with ThreadPoolExecutor(PARALLEL) as pool:
        found = list(pool.map(look, plan.files.items()))
    answered = {key: answer for key, answer, is_about_it in found if answer and is_about_it and _is_final(answer)}
    before = {key: str(answer["inspected_at"]) for key, answer, _ in found if answer and key not in answered}
    return replace(plan, answered=answered, before=before)


def _is_final(answer: Answer) -> bool:
    """Whether asking again about the same bytes would bring the same; earlier releases did not say of refusals."""
    return bool(answer.get("final", not answer["refused"]))


def estimate(stack: Stack, plan: Plan) -> Estimate:
    """What judging the missing pictures takes. Raises CommandRefused when nothing is released, or may be started."""
    released = releases.in_production(plan.dataset, stack.table)
    if not released:
        raise CommandRefused(f"Nothing of {plan.dataset} is released in production: nobody can judge these pictures.")
    serve.require_not_stopped(stack, plan.dataset)
    serving = servings.of(plan.dataset, stack.table)
    running = {*(serving.ready if serving else ()), *kept_models.kept(stack.table)}
    is_running = running.issuperset(release.version_arn for release in released.values())
    count = len(plan.missing)
    side = max(release.tiles.side for release in released.values())
    tiles = sum(_tiles_of(plan.files[key], side) for key in plan.missing) if side else 0
    # What was measured are whole pictures, however often a model was asked about each.
    rate = servings.rate_of(plan.dataset, stack.table)
    work = count / rate if rate else max(count, tiles) / servings.CALLS_A_SECOND
    # Until the models have been idle for long enough to be stopped.
    billed = work + 2 * float(stack.parameters.get("PollSeconds", 60))
    price = float(stack.parameters.get("RunningHourPrice", 4))
    usd = billed / 3600 * price * len(released) if count else 0.0
    return Estimate(count, work + (0 if is_running or not count else servings.START_SECONDS), usd, tiles)


def _tiles_of(path: Path, side: int) -> int:
    """How many tiles of a file are asked about; one where its size cannot be read, which its answer will say."""
    try:
        # Only the header is read.
        with Image.open(path) as image:
            size = fitted(*image.size, MAX_SIDE, MIN_SIDE, MAX_ASPECT)
    except (OSError, ValueError, Image.DecompressionBombError):
        return 1
    return count_of(*size, side)


def send(stack: Stack, plan: Plan, advance: Advance = lambda: None) -> Plan:
    """Send the pictures without an answer, and have the models started for them now; the plan with what was sent."""
    s3, bucket = stack.clients("s3"), stack.outputs["DataBucketName"]

    def put(key: str) -> tuple[str, str]:
        written = s3.put_object(Bucket=bucket, Key=key, Body=plan.files[key].read_bytes())
        advance()
        return key, str(written.get("VersionId", ""))

    with ThreadPoolExecutor(PARALLEL) as pool:
        sent = dict(pool.map(put, plan.missing))
    serve.start_for_pictures(stack, plan.dataset, ASKED_MINUTES)
    return replace(plan, sent=sent)


def answers(stack: Stack, plan: Plan, say: Callable[[str], object], pause: float = 1.0) -> Iterator[tuple[str, Answer]]:
    """The answers about the missing pictures as they come; says why nothing is started where that is so."""
    waiting, told, moved = dict.fromkeys(plan.missing), "", time.monotonic()
    while waiting:
        with ThreadPoolExecutor(PARALLEL) as pool:
            first = list(waiting)[:_LOOKED_AT_ONCE]
            found = list(zip(first, pool.map(lambda key: _new_answer(stack, plan, key), first), strict=True))
        for key, answer in found:
            if answer:
                del waiting[key]
                yield key, answer
        # Those that are still awaited go behind the others, which may be answered before them.
        for key, answer in found:
            if not answer:
                waiting[key] = waiting.pop(key)
        if any(answer for _, answer in found):
            moved = time.monotonic()
        elif time.monotonic() - moved > MOST_SECONDS:
            raise CommandRefused(
                f"{len(waiting)} pictures have no answer, and none has come for {MOST_SECONDS / 3600:.0f} h; they keep "
                "their place in line. `mlops serve --status` says how it stands; the same command goes on later."
            )
        else:
            serving = servings.of(plan.dataset, stack.table)
            if serving and serving.problem and serving.problem != told:
                told = serving.problem
                say(f"No model is started: {told}.")
            time.sleep(pause)


def _new_answer(stack: Stack, plan: Plan, key: str) -> Answer | None:
    """The answer about the version that was sent, or about the same bytes; none from before."""
    answer = _answer(stack, key)
    if answer is None:
        return None
    # What was given up, or taken away, has no digest of its bytes, but a version.
    if plan.sent.get(key) and answer.get("version_id") == plan.sent[key]:
        return answer
    is_new = answer["inspected_at"] != plan.before.get(key)
    return answer if is_new and answer["digest"] == _digest(plan.files[key]) else None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _answer(stack: Stack, key: str) -> Answer | None:
    written = stack.artifact(result_key(key))
    return dict(json.loads(written)) if written else None


def row_of(answer: Answer) -> dict[str, Any]:
    """What a table shows of an answer: the surest label or box stands for the others."""
    found = sorted([*answer["labels"], *answer["boxes"]], key=lambda one: -float(one["confidence"]))
    return {
        "verdict": answer["verdict"],
        "label": ", ".join(dict.fromkeys(str(one["label"]) for one in found)),
        "confidence": f"{found[0]['confidence']:.1f}" if found else "",
        "file": answer["key"].split("/", 2)[-1],
        "reasons": "; ".join(answer["reasons"]),
        "seconds": answer["seconds"],
        "run_ids": " ".join(answer["run_ids"].values()),
    }


def write_csv(path: Path, listed: Sequence[Answer]) -> None:
    """The table as a file, with the reasons."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(map(row_of, listed))


def fetch_pictures(stack: Stack, listed: Sequence[Answer], folder: Path) -> int:
    """Write the pictures with boxes below a folder; returns how many."""
    pictures = [answer for answer in listed if answer.get("picture")]
    root = folder.resolve()

    def fetch(answer: Answer) -> None:
        target = (root / f"{answer['key'].split('/', 2)[-1]}.jpg").resolve()
        if not target.is_relative_to(root):
            raise CommandRefused(f"{answer['key']} leads out of {folder}; it was not written.")
        target.parent.mkdir(parents=True, exist_ok=True)
        bucket = stack.outputs["ArtifactsBucketName"]
        found = stack.clients("s3").get_object(Bucket=bucket, Key=str(answer["picture"]))
        target.write_bytes(found["Body"].read())

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(fetch, pictures))
    return len(pictures)


def exit_code(listed: Sequence[Answer]) -> int:
    """3 when a defect was found, so that a test bench need not read anything."""
    return FOUND_A_DEFECT if any(answer["verdict"] == DEFECT for answer in listed) else 0
