"""How many new pictures a second the deployed stack judges, beside the same calls of DetectCustomLabels alone.

Only for `inspection.py`. The shipped engine is trained and released in a local cloud of its own. Then, in turns, so
many pictures are put below `inspect/` until all have their result, and as many are shown to both running models with
nothing around it, by as many callers as functions may run at once.
"""

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from PIL import Image

from cli import serve
from cli.stack import Stack
from cli.upload import checked
from local import pictures
from local.cloud import LocalCloud
from local.runner.console import Display
from local.runner.dataset import plan_of, upload
from local.runner.demo import STACK, Journey
from mlops.records import releases, servings
from mlops.records.releases import Release

DATASET, CALLERS = "transistor", 4
# How right the models are does not matter here.
LENIENT = {
    **dict.fromkeys(("MinimumF1", "MinimumInferenceF1", "MinimumAccuracy"), "0"),
    **dict.fromkeys(("DetectionMinimumF1", "DetectionMinimumLabelF1", "DetectionMinimumInferenceF1"), "0"),
    **{"MinimumLabelF1": "0", "MaximumFalseAlarmRate": "1", "DetectionMaximumFalseAlarmRate": "50"},
}
_PATIENCE_SECONDS = 1800.0
# What the emulator does for functions, what functions do, and what the models do.
EMULATOR, FUNCTIONS, MODELS = "emulator", "functions", "models"


@dataclass(frozen=True)
class Rate:
    """Seconds, and milliseconds of the processor by whom, that each picture of one turn took."""

    seconds: float
    processor: dict[str, float]


def measure(count: int, turns: int, calls_a_second: float) -> tuple[list[Rate], list[Rate]]:
    """Turns of bare calls, and turns of inspections; a unit answers so many calls a second."""
    display = Display()
    with tempfile.TemporaryDirectory() as place:
        cloud = LocalCloud(Path(place) / "cloud", custom_labels=("--tps-per-unit", str(calls_a_second)))
        with cloud:
            stack = _released(cloud, Path(place), display)
            drawn = _new_pictures(Path(place) / "new", count, 2 * turns + 1)
            _start(stack)
            released = releases.in_production(DATASET, stack.table)
            # The first of all are for what is made once: clients, workers, networks.
            _inspected(cloud, stack, next(drawn), "first")
            bare, inspected = [], []
            for turn in range(turns):
                display.say(f"Turn {turn + 1} of {turns}")
                shown, put = next(drawn), next(drawn)
                bare.append(_timed(count, partial(_asked, cloud, released, shown)))
                inspected.append(_timed(count, partial(_inspected, cloud, stack, put, str(turn))))
            return bare, inspected


def _released(cloud: LocalCloud, place: Path, display: Display) -> Stack:
    """The deployed stack with both models in production."""
    pictures.generate(place / DATASET, seed=7, good=24, per_defect=8)
    cloud.sam_build()
    outputs = cloud.deploy(STACK, LENIENT)
    given = checked(plan_of(place / DATASET, (), place))
    stack = Stack(STACK, cloud.access)
    journey = Journey(stack, given.dataset, tuple(given.tasks), cloud.mails, display, datetime.now(UTC))
    upload(cloud.client("s3"), outputs["DataBucketName"], given, lambda *_: None)
    if problem := journey.travel():
        raise SystemExit(problem)
    return stack


def _start(stack: Stack) -> None:
    """Let both models run until the end."""
    serve.start(stack, DATASET, 600)
    wanted = {release.version_arn for release in releases.in_production(DATASET, stack.table).values()}

    def run() -> bool:
        serving = servings.of(DATASET, stack.table)
        return serving is not None and wanted.issubset(serving.ready)

    _until(run, "the models run")


def _new_pictures(folder: Path, count: int, turns: int) -> Iterator[list[bytes]]:
    """For each turn pictures that nobody has seen."""
    pictures.generate(folder, seed=1007, good=6, per_defect=2)
    found = sorted(path for path in folder.rglob("*.png") if "ground_truth" not in path.parts)
    for turn in range(turns):
        yield [_marked(found[number % len(found)], turn * count + number) for number in range(count)]


def _marked(path: Path, number: int) -> bytes:
    """A picture of which no other has the same bytes."""
    image, file = Image.open(path).convert("RGB"), io.BytesIO()
    image.putpixel((0, 0), (number % 256, number // 256, 0))
    image.save(file, "PNG")
    return file.getvalue()


def _asked(cloud: LocalCloud, released: dict[str, Release], files: Sequence[bytes]) -> None:
    client = cloud.client("rekognition")

    def call(arn: str, data: bytes) -> None:
        while True:
            try:
                client.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": data})
                return
            except client.exceptions.ProvisionedThroughputExceededException:
                time.sleep(0.05)

    def both(data: bytes) -> None:
        list(calls.map(lambda release: call(release.version_arn, data), released.values()))

    with ThreadPoolExecutor(CALLERS) as callers, ThreadPoolExecutor(2 * CALLERS) as calls:
        list(callers.map(both, files))


def _inspected(cloud: LocalCloud, stack: Stack, files: Sequence[bytes], turn: str) -> None:
    s3, data, artifacts = cloud.client("s3"), stack.outputs["DataBucketName"], stack.outputs["ArtifactsBucketName"]
    for number, file in enumerate(files):
        s3.put_object(Bucket=data, Key=f"inspect/{DATASET}/{turn}/{number:05}.png", Body=file)

    def answered() -> bool:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=artifacts, Prefix=f"results/{DATASET}/{turn}/")
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return sum(key.endswith(".json") for key in keys) == len(files)

    _until(answered, f"all {len(files)} pictures have their result")


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"Not within {_PATIENCE_SECONDS:.0f} s: {what}")
        time.sleep(0.1)


def _timed(count: int, work: Callable[[], None]) -> Rate:
    before, began = _processor(), time.monotonic()
    work()
    seconds, after = time.monotonic() - began, _processor()
    return Rate(seconds / count, {who: 1000 * (after[who] - before[who]) / count for who in after})


def _processor() -> dict[str, float]:
    """Seconds of the processor that our processes have used so far."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        # Of itself, and of children that have ended.
        used[int(folder.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    spent = dict.fromkeys((MODELS, FUNCTIONS, EMULATOR), 0.0)
    for process in used:
        if who := _who(process, parents):
            spent[who] += used[process]
    return spent


def _who(process: int, parents: dict[int, int]) -> str:
    """For whom a process below this one works; empty when it is none of them."""
    line = [process]
    while line[-1] in parents and line[-1] != os.getpid():
        line.append(parents[line[-1]])
    if line[-1] != os.getpid():
        return ""
    commands = [_command(one) for one in line[:-1]]
    if any("local.rekognition" in command for command in commands):
        return MODELS
    launched = [place for place, command in enumerate(commands) if "local/launcher/__main__.py" in command]
    # The tether is above the emulator, workers of functions are below it.
    return (EMULATOR if launched[0] == 0 else FUNCTIONS) if launched else ""


def _command(process: int) -> str:
    try:
        return (Path("/proc") / str(process) / "cmdline").read_text()
    except OSError:
        return ""


def median(rates: Sequence[Rate]) -> Rate:
    """The middle one of each."""
    processor = {who: statistics.median(rate.processor[who] for rate in rates) for who in rates[0].processor}
    return Rate(statistics.median(rate.seconds for rate in rates), processor)


def told(bare: Rate, inspected: Rate) -> Iterator[str]:
    """What to print of medians."""
    for name, rate in (("bare calls", bare), ("inspections", inspected)):
        spent = ", ".join(f"{who} {milliseconds:.0f}" for who, milliseconds in rate.processor.items())
        yield f"{name:<12} {1 / rate.seconds:6.2f} pictures a second; ms of the processor a picture: {spent}"
    orchestration = 1000 * (inspected.seconds - bare.seconds)
    yield f"orchestration {orchestration:.0f} ms a picture; inspections take {inspected.seconds / bare.seconds:.2f} x"
