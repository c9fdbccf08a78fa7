"""How much chance there is in the numbers of a dataset: it is trained several times, and tested on other pictures each
time. What comes of it is read and deleted; nothing of it is ever released."""

import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from botocore.exceptions import ClientError

from cli.datasets import Seen
from cli.stack import CommandRefused, Stack
from mlops.dataset.images import Image
from mlops.dataset.keys import run_key
from mlops.dataset.learning import learning_of
from mlops.dataset.manifests import manifest_of
from mlops.records import costs
from mlops.words import counted, some

_TRAINED, _FAILED = "TRAINING_COMPLETED", "TRAINING_FAILED"
# Trained once with all pictures, it took so long where nothing is known yet.
_UNKNOWN_SECONDS = 3600


@dataclass(frozen=True)
class Fold:
    """One training: what it learns from, and what it is tested on. No picture of the holdout is in either."""

    number: int
    train: tuple[Image, ...]
    test: tuple[Image, ...]


@dataclass(frozen=True)
class Plan:
    """What is trained, about how long that takes and what it costs; `tiles` is their side, 0 for whole pictures."""

    run_id: str
    task: str
    folds: tuple[Fold, ...]
    seconds: float
    usd: float
    tiles: int = 0

    def __str__(self) -> str:
        minutes = counted(max(round(self.seconds / len(self.folds) / 60), 1), "minute")
        return f"{len(self.folds)} trainings of about {minutes} each, about USD {self.usd:.2f}"


@dataclass(frozen=True)
class Spread:
    """F1 of a label, or of the mean over the labels, in the folds that tested it."""

    label: str
    f1: tuple[float, ...]

    def as_row(self) -> dict[str, Any]:
        """What a table shows; one number has no spread."""
        spread = f"{stdev(self.f1):.3f}" if len(self.f1) > 1 else "-"
        ends = {"lowest": f"{min(self.f1):.3f}", "highest": f"{max(self.f1):.3f}"}
        return {"label": self.label, "f1": f"{fmean(self.f1):.3f}", "spread": spread, **ends, "folds": len(self.f1)}


def plan(stack: Stack, seen: Seen, count: int) -> Plan:
    """What to train for so many folds of what the newest run of a task saw. Raises CommandRefused."""
    run_id = seen.truth.run_id
    folds = deal(seen.task, seen.images, count)
    known = sum(cost.seconds for cost in costs.of_run(run_id, stack.table) if cost.kind == costs.TRAINING)
    # Each fold leaves a part of the pictures out.
    seconds = (known or _UNKNOWN_SECONDS) * (count - 1)
    usd = seconds / 3600 * float(stack.parameters.get("TrainingHourPrice", 1))
    return Plan(run_id, seen.task, tuple(folds), seconds, usd, seen.truth.tiles.side)


def deal(task: str, images: Sequence[Image], count: int) -> list[Fold]:
    """Deal pictures out so that every label is tested in every fold as far as it goes; those of a part stay together.

    Raises CommandRefused when a label would be tested without having been learned.
    """
    parts: dict[str, list[Image]] = defaultdict(list)
    learning = learning_of(task)
    for image in images:
        # What is held out stays unseen.
        if image.side != "holdout" and learning.lists(image, image.side):
            parts[image.content.part].append(image)
    labels_of = {name: {label for i in own for label in learning.labels_of(i)} for name, own in parts.items()}
    few = Counter(label for name in parts for label in labels_of[name])
    if rare := sorted(label for label, number in few.items() if number < 2):
        raise CommandRefused(f"There is only one part of {some(rare)}: it cannot be learned from and tested on.")
    if len(parts) < count:
        raise CommandRefused(f"{counted(count, 'fold')} need as many parts; there are {len(parts)}.")
    sides: list[list[Image]] = [[] for _ in range(count)]
    loads: list[Counter[str]] = [Counter() for _ in range(count)]
    # What is rare is dealt first: there is least choice where it goes.
    for name in sorted(parts, key=lambda name: (min(few[label] for label in labels_of[name]), _hash(name))):
        labels = labels_of[name]
        place = min(range(count), key=lambda n: (sum(loads[n][label] for label in labels), len(sides[n]), n))
        sides[place] += parts[name]
        loads[place].update(labels)
    everything = [image for own in parts.values() for image in own]
    keys = [{image.key for image in side} for side in sides]
    return [
        Fold(number + 1, tuple(image for image in everything if image.key not in keys[number]), tuple(side))
        for number, side in enumerate(sides)
    ]


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass
class Training:
    """The versions of a plan in the project for development."""

    stack: Stack
    plan: Plan
    pause: float = 30.0
    say: Callable[[str], object] = print

    def results(self) -> Iterator[tuple[int, dict[str, float]]]:
        """(fold, F1 by label, and "" for their mean) as trainings end. Raises CommandRefused when one fails.

        The account may train some at once; the others wait. What was read is deleted.
        """
        waiting, training = list(self.plan.folds), dict[str, Fold]()
        while waiting or training:
            while waiting and self._begin(waiting[0], has_company=bool(training)):
                training[self._name(waiting[0])] = waiting[0]
                waiting.pop(0)
            for name, version in self._described(list(training)):
                if version["Status"] == _TRAINED:
                    yield training.pop(name).number, self._scores(version)
                    self._delete(version)
                elif version["Status"] == _FAILED:
                    # Its name is free for another attempt.
                    self._delete(version)
                    raise CommandRefused(f"Training {name} failed: {version.get('StatusMessage', 'no reason given')}")
            if waiting or training:
                time.sleep(self.pause)

    @property
    def _project(self) -> str:
        name = f"{self.stack.name}-{self.plan.task}-development"
        found = self.stack.clients("rekognition").describe_projects(ProjectNames=[name])["ProjectDescriptions"]
        return str(found[0]["ProjectArn"])

    def _name(self, fold: Fold) -> str:
        # No run has such a name: nothing of the stack looks after it.
        return f"fold-{fold.number}-of-{len(self.plan.folds)}-{self.plan.run_id.rsplit('-', 1)[-1]}"

    def _begin(self, fold: Fold, *, has_company: bool) -> bool:
        """Whether its training has begun; False where the account trains as much as it may."""
        outputs, name = self.stack.outputs, self._name(fold)
        bucket, folder = outputs["ArtifactsBucketName"], run_key(self.plan.run_id, f"folds/{name}")
        given = {}
        for side, images in (("TrainingData", fold.train), ("TestingData", fold.test)):
            key = f"{folder}/{side}.manifest"
            text = manifest_of(self.plan.task, images, outputs["DataBucketName"], self.plan.tiles)
            self.stack.clients("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
            given[side] = {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Name": key}}}]}
        output = {"S3Bucket": bucket, "S3KeyPrefix": f"{folder}/rekognition"}
        try:
            self.stack.clients("rekognition").create_project_version(
                ProjectArn=self._project, VersionName=name, OutputConfig=output, **given
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # The name is taken by an earlier attempt, whose work is gone on with; or the project is busy for a moment.
            if code == "ResourceInUseException":
                return bool(self._described([name]))
            if code == "LimitExceededException" and has_company:
                return False
            raise
        self.say(f"Fold {fold.number} learns from {len(fold.train)} pictures and is tested on {len(fold.test)}.")
        return True

    def _described(self, names: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
        if not names:
            return []
        request = {"ProjectArn": self._project, "VersionNames": names}
        found = self.stack.clients("rekognition").describe_project_versions(**request)["ProjectVersionDescriptions"]
        return [(version["ProjectVersionArn"].split("/")[3], version) for version in found]

    def _scores(self, version: Mapping[str, Any]) -> dict[str, float]:
        place = version["EvaluationResult"]["Summary"]["S3Object"]
        body = self.stack.clients("s3").get_object(Bucket=place["Bucket"], Key=place["Name"])["Body"].read()
        results = json.loads(body)["LabelEvaluationResults"]
        scores = {str(of["Label"]): float(of["Metrics"]["F1Score"]) for of in results if of["NumberOfTestingImages"]}
        return {**scores, "": fmean(scores.values())} if scores else {}

    def _delete(self, version: Mapping[str, Any]) -> None:
        with suppress(ClientError):
            self.stack.clients("rekognition").delete_project_version(ProjectVersionArn=version["ProjectVersionArn"])


def spreads(results: Mapping[int, Mapping[str, float]]) -> list[Spread]:
    """By label, and of their mean, which comes last."""
    labels = sorted({label for scores in results.values() for label in scores if label})
    return [
        Spread(label or "mean", tuple(scores[label] for _, scores in sorted(results.items()) if label in scores))
        for label in [*labels, *([""] if labels else [])]
    ]
