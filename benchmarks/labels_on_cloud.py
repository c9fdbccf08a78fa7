"""One dataset at the service's limit of labels, from the upload to production, on the local cloud itself.

    python benchmarks/labels_on_cloud.py [--labels 250] [--images 50] [--piece-seconds 30]

The deployed stack, its queues and rules, and the local Custom Labels service, which trains and answers by mean colours:
each label has a colour, two pictures to train and so many to test. Every event is delivered twice. `inference_test` has
so many seconds for a piece, so that it must go on several times; in the middle of the test in staging its process is
killed. Ends with 1 unless every picture was answered once in every environment, each test went on twice or more, and no
model runs at the end. `labels.py` plays the same in the simulated cloud, in a tenth of the time. Linux only.
"""

import argparse
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]

from functions.inference_test.app import _LEAST_MILLISECONDS  # noqa: E402
from mlops.records.runs import Run  # noqa: E402
from mlops.stages.inference_test import _PIECE as PIECE  # noqa: E402
from mlops.words import counted  # noqa: E402
from tests.e2e.conftest import as_png  # noqa: E402
from tests.e2e.system import QUICK, System, started_system  # noqa: E402

DATASET = "parts"
ENVIRONMENTS = ("development", "staging", "production")
TRAINED, LEAST_CONTINUED = 2, 2
SIDE = 64
# Hours of the sweeper pass in so many seconds.
_HOUR, _PATIENCE, _LOOK = 60.0, 5400.0, 2.0


def pictures(labels: int, images: int) -> Iterator[tuple[str, bytes]]:
    """Keys and files: each label has a colour of its own, far from all others, and no two pictures are the same."""
    levels = np.linspace(20, 235, int(np.ceil(labels ** (1 / 3))))
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    random = np.random.default_rng(1)
    for side, count in (("train", TRAINED), ("test", images)):
        for label in range(labels):
            for number in range(count):
                noisy = colours[label] + random.normal(0, 6, (SIDE, SIDE, 3))
                picture = as_png(noisy.clip(0, 255).astype(np.uint8))
                yield f"datasets/{DATASET}/{side}/label {label:03}/{number:03}.png", picture


def give_seconds(system: System, seconds: float) -> None:
    """Let `inference_test` begin no other piece after so many seconds."""
    client = system.cloud.client("lambda")
    timeout = int(_LEAST_MILLISECONDS / 1000 + seconds)
    client.update_function_configuration(FunctionName=system.resource("InferenceTestFunction"), Timeout=timeout)


def kill_testers() -> bool:
    """Kill all processes of this cloud in which `inference_test` is or was at work; whether there were any.

    All, for of an event that comes twice the second one has a process, too, and does nothing.
    """
    code = (ROOT / "functions" / "inference_test" / "app.py").read_bytes()
    killed = False
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # A worker lies where its function was unpacked.
            if is_ours(process) and (process / "cwd" / "app.py").read_bytes() == code:
                os.kill(int(process.name), signal.SIGKILL)
                killed = True
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return killed


def is_ours(process: Path) -> bool:
    """Whether a process descends from this one."""
    while process.name not in ("0", "1", str(os.getpid())):
        parents = re.search(r"^PPid:\s+(\d+)$", (process / "status").read_text(), re.M)
        process = process.with_name(parents[1] if parents else "0")
    return process.name == str(os.getpid())


class Followed:
    """A run that is seen through to production; in the middle of its test in staging, the process of it is killed."""

    def __init__(self, system: System, images: int) -> None:
        self.system, self.images = system, images
        self.killed_at = 0
        self._decided: set[str] = set()
        self._told = ""
        self._swept = time.monotonic()

    def to_production(self) -> Run:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self.system.observe()
            if time.monotonic() - self._swept > _HOUR:
                self.system.sweep()
                self._swept = time.monotonic()
            for run in self.system.runs(DATASET):
                if self._is_over(run):
                    return run
            time.sleep(_LOOK)
        raise RuntimeError(f"not in production after {_PATIENCE:.0f} s: {self._told}")

    def _is_over(self, run: Run) -> bool:
        if run.failure:
            raise RuntimeError(f"{run.failure.name}: {run.failure.reasons}")
        self._tell(run)
        self._decide(run)
        self._kill(run)
        return self.system.current(DATASET) == run.run_id and not self.system.running()

    def _tell(self, run: Run) -> None:
        now = " ".join(f"{one.stage} {one.environment} {one.state} {one.waiting_for}" for one in run.stages[-1:])
        if now != self._told:
            print(f"  {time.strftime('%H:%M:%S')}  {now}", flush=True)
            self._told = now

    def _decide(self, run: Run) -> None:
        for target in ("staging", "production"):
            if target not in self._decided and self.system.approvals(run.run_id, target):
                self.system.decide(run.run_id, "approve", target)
                self._decided.add(target)

    def _kill(self, run: Run) -> None:
        if self.killed_at:
            return
        pieces = self.system.listed(f"runs/{run.run_id}/staging/answers/")
        if len(pieces) * PIECE >= self.images / 2 and kill_testers():
            self.killed_at = len(pieces) * PIECE
            print(f"  {time.strftime('%H:%M:%S')}  killed after {self.killed_at} pictures in staging", flush=True)


def wrong_with(followed: Followed, run: Run) -> Iterator[str]:
    """What is not as it has to be."""
    system, images = followed.system, followed.images
    if len(system.runs(DATASET)) != 1:
        yield f"there are {len(system.runs(DATASET))} runs"
    if not followed.killed_at:
        yield "no process was killed"
    told = [event["detail"] for event in system.events if event["detail-type"] == "Model Status Change"]
    # What goes on with a test names how far it has come.
    continued = Counter(detail["environment"] for detail in told if "+" in detail.get("cause", ""))
    for environment in ENVIRONMENTS:
        answered = Counter(answer["key"] for answer in system.answers(run.run_id, environment))
        went_on = counted(continued[environment], "time")
        print(f"  {environment}: {counted(len(answered), 'picture')} answered; the test went on {went_on}")
        if len(answered) != images or set(answered.values()) != {1}:
            yield f"{environment}: {len(answered)} of {images} pictures have {sum(answered.values())} answers"
        if continued[environment] < LEAST_CONTINUED:
            yield f"{environment}: the test went on {went_on}"
    if running := system.running():
        yield f"{running} still run"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=250)
    parser.add_argument("--images", type=int, default=50, help="to test, of each label")
    parser.add_argument("--piece-seconds", type=float, default=30, help="after which a test goes on in another call")
    options = parser.parse_args()
    images = options.labels * options.images
    gates = {"TestImagesPerLabel": str(options.images), "IngestConcurrency": "2", "SettleSeconds": "60"}
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        started_system(Path(folder) / "one" / "two" / "cloud", gates, (*QUICK, "--tps-per-unit", "1000")) as system,
    ):
        give_seconds(system, options.piece_seconds)
        system.repeat.add(DATASET)
        for number, (key, picture) in enumerate(pictures(options.labels, options.images)):
            system.upload({key: picture})
            if number % 500 == 0:
                system.observe()
        seconds = time.monotonic() - began
        print(f"{options.labels} labels, {images} pictures to test, uploaded after {seconds:.0f} s", flush=True)
        followed = Followed(system, images)
        run = followed.to_production()
        wrong = [*wrong_with(followed, run)]
    print(f"In production after {time.monotonic() - began:.0f} s")
    print(*(wrong or ["Every picture was answered once in every environment, and no model runs."]), sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
