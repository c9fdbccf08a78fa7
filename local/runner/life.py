"""`life`: models in production over time. The lamp dims, a new defect comes, people are asked, the next model knows.

Everything is as in a deployed stack but for the clock: what schedules do every hour is told to happen.
"""

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from cli import inspect
from cli.reviews import retrain
from cli.stack import CommandRefused, Stack
from local import pictures
from local.cloud import LocalCloud
from local.cloud.sam import ROOT
from local.runner.console import Display
from local.runner.curve import Chapter, curve
from local.runner.dataset import plan_of, upload
from local.runner.demo import STACK, Journey, cloud_of
from local.runner.reviewing import answer_all, review_link
from local.runner.timing import Phases
from mlops.dataset.keys import drift_key
from mlops.dataset.labels import label_of

DATASET = "transistor"
WORK = ROOT / "build" / "life"
SCRATCH = "scratch"
# A quarter of all parts tells of few parts what a fiftieth tells of many; nobody else asks for so many reviews a day.
ENOUGH = 90
PARAMETERS = {"ReviewShare": "25", "ReviewsPerDay": "100", "RetrainAfter": str(ENOUGH), "ToleratedLoss": "0.15"}
LAMP, NOISE = 0.65, 2.5
SIZE = 256
# Of parts without defect, of each known defect, and of the new one.
TRAINED, USUAL, CHANGED = (60, 14, 0), (70, 8, 0), (66, 5, 20)
PAUSE_SECONDS, PATIENCE_SECONDS = 0.2, 120.0


def run_life(seed: int, display: Display) -> int:
    """Exit code 0 when drift was found, the next model reached production, and it is right again; else 1.

    Raises CloudInUseError where a local cloud runs already: this one has parameters of its own.
    """
    started, phases = time.monotonic(), Phases()
    shutil.rmtree(WORK, ignore_errors=True)
    with contextlib.ExitStack() as stack:
        aside = stack.enter_context(ThreadPoolExecutor(1))
        drawing = aside.submit(draw_all, seed)
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cloud, outputs = stack.enter_context(cloud_of(display, phases, PARAMETERS))
        with phases("pictures, beyond that"):
            drawing.result()
        life = Life(cloud, Stack(STACK, cloud.access), outputs, display, phases)
        life.grow_up(plan_of(WORK / DATASET, ("classification",), place))
        life.inspect("as trained")
        before = life.drift()
        life.inspect("the lamp dims, scratches come")
        during = life.drift()
        answered = life.review()
        life.renew()
        life.inspect("after the release")
        after = life.drift()
    seconds = time.monotonic() - started
    drawn = curve(life.chapters, life.marks)
    (WORK / "life.svg").write_text(drawn, encoding="utf-8")
    summary = {
        "seconds": round(seconds, 1),
        "phases": phases.seconds,
        "drift": {"as trained": before, "changed": during, "after the release": after},
        "answered": answered,
        "chapters": [chapter.as_dict() for chapter in life.chapters],
    }
    (WORK / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    for chapter in life.chapters:
        display.say(chapter.told())
    problem = verdict_on(life.chapters, before, during, after)
    display.say(f"{problem or 'It is right again.'} {seconds:.0f} s. The curve: {WORK / 'life.svg'}")
    return 1 if problem else 0


def verdict_on(chapters: Sequence[Chapter], before: list[str], during: list[str], after: list[str]) -> str:
    """What is against a recovery, by numbers; empty when nothing is."""
    first, changed, last = (chapter.wrong for chapter in chapters)
    if before or not during:
        return f"Drift before: {before or 'none'}; after the change: {during or 'none'}."
    if after:
        return f"Drift was still found after the release: {', '.join(after)}."
    is_half = 2 * last.count * changed.of <= changed.count * last.of
    if not is_half or last.interval[0] > first.interval[1]:
        return f"It did not recover: wrong {first.told()}, then {changed.told()}, at last {last.told()}."
    return ""


@dataclass
class Life:
    """One dataset in production: what was inspected, chapter by chapter, and what happened in between."""

    cloud: LocalCloud
    stack: Stack
    outputs: Mapping[str, str]
    display: Display
    phases: Phases
    chapters: list[Chapter] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def grow_up(self, given: Any) -> None:
        """Upload, train, test, approve, release."""
        journey = self._journey()
        with self.phases("first model"), self.display.counting("Uploading") as progress:
            upload(self.cloud.client("s3"), self.outputs["DataBucketName"], given, progress)
        self._travel(journey, "first model, beyond that")

    def inspect(self, name: str) -> None:
        """Have the pictures of a chapter judged, in an order in which kinds of parts come mixed."""
        with self.phases(name):
            plan = inspect.find(WORK / str(len(self.chapters) + 1), DATASET)
            inspect.send(self.stack, plan)
            found = [answer for _, answer in inspect.answers(self.stack, plan, self.display.say, PAUSE_SECONDS)]
        found.sort(key=lambda answer: str(answer["digest"]))
        judged = tuple((str(answer["verdict"]), _label_of(str(answer["key"])) != "normal") for answer in found)
        self.chapters.append(Chapter(name, judged))
        self.display.say(self.chapters[-1].told())

    def drift(self) -> list[str]:
        """What the hourly look finds."""
        self._invoke("DriftFunction")
        written = self.stack.artifact(drift_key(DATASET))
        told = json.loads(written) if written else {"measures": []}
        drifted = sorted({one["name"] for one in told["measures"] if one["has_drifted"]})
        self.display.say(f"Drift: {', '.join(drifted) or 'none'}")
        if drifted:
            self._mark("drift found")
        return drifted

    def review(self) -> int:
        """Wait for the mail that asks, open its link, and answer everything that waits."""
        with self.phases("reviews"):
            self._invoke("RetrainingFunction")
            link = eventually(self._review_link, "mail that asks for reviews")
            self.asked_at = datetime.now(UTC)
            count = answer_all(link, lambda path: _label_of(f"inspect/{DATASET}/{path}"), "life")
            if count < ENOUGH:
                retrain(self.stack, DATASET)
        self._mark("people answer")
        self.display.say(f"{count} pictures were answered through the page.")
        return count

    def renew(self) -> None:
        """Follow the run that the answers started to production."""
        with self.phases("answers become data"):
            eventually(self._has_begun, "run from the answers")
        self._travel(self._journey(), "second model")
        self._mark("second model released")

    def _journey(self) -> Journey:
        return Journey(self.stack, DATASET, ("classification",), self.cloud.mails, self.display, self.asked_at)

    def _travel(self, journey: Journey, phase: str) -> None:
        with self.phases(phase), self.display.following():
            problem = journey.travel()
        if problem:
            raise CommandRefused(problem)

    def _has_begun(self) -> bool:
        return any(run.created_at >= self.asked_at for run in self.stack.runs(DATASET))

    def _mark(self, what: str) -> None:
        at = sum(len(chapter.judged) for chapter in self.chapters)
        self.marks[at] = ", ".join(filter(None, (self.marks.get(at), what)))

    def _review_link(self) -> str | None:
        mails = [mail for mail in self.cloud.mails() if "to look at" in mail.subject]
        return review_link(mails[-1].text) if mails else None

    def _invoke(self, logical_id: str) -> None:
        """What a schedule does every hour."""
        client = self.cloud.client("cloudformation")
        found = client.describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
        name = found["StackResourceDetail"]["PhysicalResourceId"]
        answer = self.cloud.client("lambda").invoke(FunctionName=name, Payload=b"{}")
        if "FunctionError" in answer:
            raise CommandRefused(f"{logical_id}: {answer['Payload'].read().decode()}")


def eventually(look: Callable[[], Any], what: str) -> Any:
    """What `look` returns once it is something. Raises CommandRefused."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(PAUSE_SECONDS)
    raise CommandRefused(f"no {what} within {PATIENCE_SECONDS:.0f} s")


def _label_of(key: str) -> str:
    return label_of(key.split("/")[-2])


def draw_all(seed: int) -> None:
    """The pictures to train on, and those of every chapter: drawn anew each, the last two under the lamp that dims."""
    draw(WORK / DATASET, seed, TRAINED)
    for number, counts in enumerate((USUAL, CHANGED, CHANGED), start=1):
        folder = WORK / str(number)
        draw(folder, seed + 1000 * number, counts)
        shutil.rmtree(folder / "ground_truth")
        if number > 1:
            chance = np.random.default_rng(seed + number)
            for path in sorted(folder.rglob("*.png")):
                dimmed(Image.open(path), chance).save(path)


def draw(folder: Path, seed: int, counts: tuple[int, int, int]) -> None:
    good, per_defect, scratched = counts
    pictures.generate(folder, seed=seed, good=good + scratched, per_defect=per_defect, size=SIZE)
    chance = np.random.default_rng(seed)
    # The last of the good ones get the new defect.
    for path in sorted((folder / "test" / "good").glob("*.png"))[-scratched:] if scratched else ():
        target = folder / "test" / SCRATCH / path.name
        target.parent.mkdir(exist_ok=True)
        scratch(Image.open(path), chance).save(target)
        path.unlink()


def dimmed(image: Image.Image, chance: np.random.Generator) -> Image.Image:
    """The same part under a lamp that has dimmed; a camera that gets less light adds more noise."""
    seen = LAMP * np.asarray(image.convert("RGB"), np.float32)
    noisy = seen + chance.normal(0, NOISE, seen.shape)
    return Image.fromarray(np.clip(noisy + 0.5, 0, 255).astype(np.uint8))


def scratch(image: Image.Image, chance: np.random.Generator) -> Image.Image:
    """A long dark hairline across the part, such as no model has seen."""
    side, heading = image.width, chance.uniform(0, np.pi)
    left, top = side * chance.uniform(0.3, 0.5), side * chance.uniform(0.2, 0.4)
    length = side * chance.uniform(0.35, 0.6)
    path = [
        (float(left + length * step * np.cos(heading)), float(top + length * step * np.sin(heading)))
        for step in np.linspace(0, 1, 7)
    ]
    bent = [(x + float(chance.normal(0, 1)), y + float(chance.normal(0, 1))) for x, y in path]
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).line(bent, fill=230, width=round(side / 128), joint="curve")
    dark = Image.new("RGB", image.size, (20, 20, 20))
    return Image.composite(dark, image.convert("RGB"), mask.filter(ImageFilter.GaussianBlur(0.5)))
