"""One dataset at the service's limit of labels, from the upload to production, in the simulated cloud.

    python benchmarks/labels.py [--labels 250] [--images 50] [--seconds 0.2] [--units 1]

The real handlers, found by the rules and queues of the template, on S3, DynamoDB, SQS, EventBridge and Custom Labels as
the simulation of the tests has them (`tests/simulation`); what a picture shows is what its folder says. Each label has
two pictures to train and so many to test. Every event, message and request comes twice; each test of a model goes on in
pieces, each answer taking so many simulated seconds; and in the middle of the second test its process ends, right after
an answer. Ends with 1 unless every picture was answered once in every environment, each test went on twice or more, and
no model runs at the end. Seconds of the processor are those of this machine.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]
os.environ |= {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}

from mlops.records import results  # noqa: E402
from mlops.words import counted  # noqa: E402
from tests.simulation.deployed import functions  # noqa: E402
from tests.simulation.people import ARTIFACTS  # noqa: E402
from tests.simulation.plans import Account, Action, Fault, Plan  # noqa: E402
from tests.simulation.play import Delivery, Play, Process  # noqa: E402
from tests.simulation.rules import broken_at_the_end  # noqa: E402

DATASET, TASK = "parts", "classification"
ENVIRONMENTS = ("development", "staging", "production")
TRAINED, PIECE, LEAST_CONTINUED = 2, 300, 2
_AT_ONCE, _APART, _AGAIN_AFTER = 200, 5.0, 40.0


class Twice(Play):
    """A history in which everything is delivered twice, and it is counted what a model was asked."""

    def __init__(self, plan: Plan, options: argparse.Namespace) -> None:
        super().__init__(plan)
        minutes = 1 + int(options.labels * options.images * options.seconds / 60)
        # Half of a lease is what a test may take.
        self.variables |= {"TEST_IMAGES_PER_LABEL": str(options.images), "MAX_INFERENCE_UNITS": str(options.units)}
        self.variables |= {"LEASE_MINUTES": str(max(30, 3 * minutes))}
        self.asked: dict[str, Counter[str]] = defaultdict(Counter)
        self.continued: Counter[str] = Counter()
        self.killed = 0
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._detect, self.labels.detect_custom_labels = self.labels.detect_custom_labels, self._counted  # type: ignore[method-assign]

    def _counted(self, ProjectVersionArn: str, Image: Any, **more: Any) -> dict[str, Any]:  # noqa: N803
        environment = ProjectVersionArn.split("/")[1].rsplit("-", 1)[1]
        self.asked[environment][Image["S3Object"]["Name"]] += 1
        return self._detect(ProjectVersionArn=ProjectVersionArn, Image=Image, **more)

    def put_on_bus(self, event: dict[str, Any]) -> None:
        # What goes on with a test names how far it has come.
        if "+" in event["detail"].get("cause", ""):
            self.continued[event["detail"]["environment"]] += 1
        super().put_on_bus(event)

    def _schedule(self, when: float, delivery: Delivery) -> None:
        super()._schedule(when, delivery)
        super()._schedule(when + _AGAIN_AFTER, replace(delivery))

    def _in_process(self, name: str, delivery: Delivery, work: Any, process: Process | None = None) -> bool:
        began = time.process_time()
        ended_well = super()._in_process(name, delivery, work, process)
        self.seconds[name].append(time.process_time() - began)
        self.killed += bool(process and process.is_dead)
        return ended_well


def plan_of(labels: int, images: int, seconds: float) -> Plan:
    """Uploads of all pictures, and the end of a process."""
    keys = [
        f"{side}/label {label:03}/{number}.png"
        for side, count in (("train", TRAINED), ("test", images))
        for label in range(labels)
        for number in range(count)
    ]
    uploads = [
        Action(
            60 + _APART * part, "upload", DATASET, tuple(keys[first:last]), tuple(range(first, min(last, len(keys))))
        )
        for part, first in enumerate(range(0, len(keys), _AT_ONCE))
        for last in [first + _AT_ONCE]
    ]
    # In the middle of the second test.
    kill = Fault("kill", "inference_test", "detect_custom_labels", 3 * labels * images // 2)
    account = Account(production_stays=False, running=2, trainings=2, answer_seconds=seconds, piece=PIECE)
    return Plan("labels", tuple(uploads), faults=(kill,), account=account)


def wrong_with(play: Twice, images: int) -> Iterator[str]:
    """What is not as it has to be."""
    runs = play.runs_of(DATASET)
    if len(runs) != 1:
        yield f"there are {len(runs)} runs"
    for run in runs:
        for environment in ENVIRONMENTS:
            text = play.objects.text(ARTIFACTS, f"runs/{run.run_id}/{environment}/inference_test.json")
            result = json.loads(text) if text else {}
            if result.get("outcome") != "COMPLETED" or result.get("images") != images:
                yield f"{environment}: the test says {result.get('outcome')}, {result.get('images')} images"
            lines = (play.objects.text(ARTIFACTS, results.answers_key(run.run_id, environment)) or "").splitlines()
            answered = Counter(json.loads(line)["key"] for line in lines)
            if len(answered) != images or set(answered.values()) != {1}:
                yield f"{environment}: {len(answered)} of {images} pictures have {sum(answered.values())} answers"
            again = sum(play.asked[environment].values()) - images
            if again > PIECE:
                yield f"{environment}: {again} pictures were asked about once more"
            if play.continued[environment] < LEAST_CONTINUED:
                yield f"{environment}: the test went on {play.continued[environment]} times"
    if running := play.labels.of("STARTING", "RUNNING", "STOPPING"):
        yield f"{running} still run"
    yield from (f"{rule}: {message}" for rule, message in [*play.broken, *broken_at_the_end(play)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=250)
    parser.add_argument("--images", type=int, default=50, help="to test, of each label")
    parser.add_argument("--seconds", type=float, default=0.2, help="until a model has answered")
    parser.add_argument("--units", type=int, default=1)
    options = parser.parse_args()
    images, began = options.labels * options.images, time.process_time()
    play = Twice(plan_of(options.labels, options.images, options.seconds), options)
    play.run()
    print(f"{options.labels} labels, {images} pictures to test: {time.process_time() - began:.0f} s of the processor")
    for environment in ENVIRONMENTS:
        asked = play.asked[environment]
        went_on = counted(play.continued[environment], "time")
        print(f"  {environment}: {len(asked)} pictures, {sum(asked.values())} calls; the test went on {went_on}")
    print(f"  {counted(play.killed, 'process', 'processes')} ended at once, {play.deliveries} deliveries")
    print("  seconds of the processor, the longest of a function, and what it has:")
    for name, seconds in sorted(play.seconds.items(), key=lambda item: -max(item[1])):
        if name in functions():
            print(f"    {name:<16} {max(seconds):7.2f} of {functions()[name].timeout:.0f}, {len(seconds)} times")
    wrong = [*wrong_with(play, images)]
    print(*(wrong or ["Every picture was answered once in every environment, and no model runs."]), sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
