"""Whatever comes in: no fault of the service, no wait without end, no memory lost, no file outside the state folder."""

import base64
import json
import os
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from local.rekognition.access.validation import service_model
from tests.emulator.chance import Chance
from tests.emulator.clients import begin_training, new_name, new_project, settled, start, train
from tests.emulator.conformance.requests import OPERATIONS, requests_about_nothing
from tests.emulator.datasets import PNG_SIGNATURE, boxes_line, line, picture, png_chunk, put_pictures
from tests.emulator.processes import RunningService, wait_for
from tests.emulator.target import BUCKET

AUDIT = Path(__file__).with_name("audit")
SECONDS, MEGABYTE = 20, 1024 * 1024
# How much an identical second round may add to the memory of the service: what allocators keep, not what leaks.
SLACK = 24 * MEGABYTE
ROOT_ARN = "arn:aws:rekognition:eu-west-1:000000000000"
SEED = 20261125


@dataclass(frozen=True)
class Watched:
    """A service whose memory and files are watched."""

    service: RunningService
    state: Path
    notes: Path
    http: httpx.Client

    def memory(self) -> int:
        """Resident bytes."""
        shown = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.service.process.pid)], capture_output=True, text=True, check=True
        )
        return int(shown.stdout) * 1024

    def written_elsewhere(self) -> set[Path]:
        """Paths outside the state folder that the service or a training changed."""
        paths = {Path(path) for path in self.notes.read_text().splitlines()}
        assert self.state / "state.sqlite3" in paths, "what is written is not noted"
        return {path for path in paths if not path.is_relative_to(self.state) and path != Path(os.devnull)}

    def survives(self, round_: Callable[[], None]) -> None:
        """Do something twice; check that the service lives, has lost no memory and wrote nothing elsewhere."""
        round_()
        before = self.memory()
        round_()
        assert self.memory() - before < SLACK
        assert self.http.get(f"{self.service.url}/health").status_code == 200
        assert self.written_elsewhere() == set()


@pytest.fixture(scope="module")
def watched(
    launch_for_all: Callable[..., RunningService], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    state, notes = tmp_path_factory.mktemp("state"), tmp_path_factory.mktemp("audit") / "paths"
    # The shipped engine, for it is what decodes pictures.
    switches = ("--state", state, "--engine", "local.rekognition.engine", "--transition-seconds", 0)
    roomy = ("--tps-per-unit", 100000, "--max-projects", 100000, "--max-trainings", 4, "--max-running-models", 10)
    environment = {"AUDIT": str(notes), "PYTHONPATH": str(AUDIT), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(state)}
    with httpx.Client(timeout=SECONDS) as http:
        yield Watched(launch_for_all(*switches, *roomy, **environment), state, notes, http)


@pytest.fixture(scope="module")
def model(watched: Watched, s3: Any) -> str:
    """A classifier that runs."""
    lines = put_pictures(s3, "fuzz/model", {"ok": 3, "scratch": 3})
    client = watched.service.client()
    arn = train(client, s3, lines, lines)["ProjectVersionArn"]
    start(client, arn, units=5)
    return str(arn)


def send(watched: Watched, operation: str, body: bytes, **headers: str) -> dict[str, Any]:
    """Post a request as it is; whatever it is, the answer is JSON and blames the client at most."""
    known = {
        "x-amz-target": f"RekognitionService.{operation}",
        "content-type": "application/x-amz-json-1.1",
        "authorization": "AWS4-HMAC-SHA256 Credential=testing/20260304/eu-west-1/rekognition/aws4_request",
    }
    answer = watched.http.post(watched.service.url, content=body, headers=known | headers)
    assert answer.status_code < 500, (operation, body, answer.text)
    document: dict[str, Any] = answer.json()
    assert answer.status_code == 200 or document["Message"] is not None
    return document


# Requests


def test_requests_of_any_kind_are_answered(watched: Watched, model: str, s3: Any) -> None:
    client = watched.service.client()
    project = new_project(client)
    dataset = client.create_dataset(ProjectArn=project, DatasetType="TRAIN")["DatasetArn"]
    known = {"ProjectArn": project, "DatasetArn": dataset, "ProjectVersionArn": model, "ResourceArn": project}
    shapes = {name: service_model().operation_model(name).input_shape for name in OPERATIONS}

    def ask() -> None:
        chance = Chance(SEED)
        for _ in range(600):
            name = chance.choice(OPERATIONS)
            # What is known is not deleted, for then nothing would be left to ask about.
            ends = name.startswith(("Delete", "Stop"))
            send(watched, name, json.dumps(chance.value(shapes[name], {} if ends else known)).encode())

    watched.survives(ask)


def test_bodies_and_headers_of_any_kind_are_answered(watched: Watched) -> None:
    sound = json.dumps(requests_about_nothing(ROOT_ARN)["DescribeProjectVersions"]).encode()

    def post() -> None:
        chance = Chance(SEED)
        for _ in range(200):
            word = "".join(chance.choices('AWS4-HMC SHA256Credential=/,.\t"', k=chance.randrange(40))).strip()
            send(watched, "DescribeProjectVersions", chance.mutated(sound))
            send(watched, "DescribeProjectVersions", sound, authorization=word)
            send(watched, "DescribeProjectVersions", sound, **{"x-amz-target": word})

    watched.survives(post)


# Manifests

SOUND = [line("fuzz/model/ok/0.png", "ok", "scratch"), boxes_line("fuzz/model/ok/1.png", ("ok", 1, 1, 20, 20))]


def manifest(chance: Chance) -> bytes:
    """A few lines that are nearly right."""
    rows = []
    for _ in range(chance.randrange(1, 20)):
        sound = chance.choice(SOUND)
        row = json.dumps(chance.changed(sound)).encode()
        rows.append(chance.mutated(row) if chance.random() < 0.2 else row)
    return b"\n".join(rows).decode("utf-8", "replace").encode()


def test_manifests_of_any_kind_become_datasets_or_fail(watched: Watched, s3: Any) -> None:
    client = watched.service.client()

    def load() -> None:
        chance = Chance(SEED)
        for _ in range(25):
            arn = loaded(client, s3, manifest(chance))
            for text in client.list_dataset_entries(DatasetArn=arn)["DatasetEntries"]:
                json.loads(text)
            client.list_dataset_labels(DatasetArn=arn)
            client.delete_dataset(DatasetArn=arn)

    watched.survives(load)


def loaded(client: Any, s3: Any, data: bytes) -> str:
    """A dataset from a manifest; if it could not be made, then not because of a fault of the service."""
    s3.put_object(Bucket=BUCKET, Key="fuzz/a.manifest", Body=data)
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "fuzz/a.manifest"}}}
    request = {"ProjectArn": new_project(client), "DatasetType": "TRAIN", "DatasetSource": source}
    arn = client.create_dataset(**request)["DatasetArn"]
    look = partial(client.describe_dataset, DatasetArn=arn)
    wait_for(lambda: not look()["DatasetDescription"]["Status"].endswith("IN_PROGRESS"), SECONDS)
    description = look()["DatasetDescription"]
    assert description["StatusMessageCode"] != "SERVICE_ERROR", (data, description["StatusMessage"])
    return str(arn)


def test_manifests_of_any_kind_train_or_fail(watched: Watched, s3: Any, model: str) -> None:
    client, chance = watched.service.client(), Chance(SEED)
    good = put_pictures(s3, "fuzz/train", {"ok": 6, "scratch": 6})
    for number in range(3):
        rows = b"".join(json.dumps(row).encode() + b"\n" for row in good)
        s3.put_object(Bucket=BUCKET, Key=f"fuzz/{number}.manifest", Body=rows + manifest(chance))
        asset = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": f"fuzz/{number}.manifest"}}}
        inputs = {"TrainingData": {"Assets": [asset]}, "TestingData": {"Assets": [asset]}}
        check_training(client, begin_training(client, s3, [], **inputs))

    assert watched.written_elsewhere() == set()


def check_training(client: Any, arn: str) -> None:
    """Check that a training ended, and if badly, then not because of a fault of the service."""
    message = settled(client, arn)["StatusMessage"]
    assert "local service failed" not in message
    assert "ended unexpectedly" not in message


# Pictures


def saved(mode: str, form: str, **options: Any) -> bytes:
    buffer = BytesIO()
    with Image.open(BytesIO(picture("ok", 3))) as plain:
        plain.convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def png_of_size(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG file that says it is this large and has next to no pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return PNG_SIGNATURE + header + b"".join(chunks) + data + png_chunk(b"IEND", b"")


BOMB = zlib.compress(bytes(50 * MEGABYTE))
HOSTILE = [
    png_of_size(60_000, 60_000),
    png_of_size(4096, 4096),
    png_of_size(0, 100),
    png_of_size(100, 100, png_chunk(b"zTXt", b"a\0\0" + BOMB)),
    png_of_size(100, 100, png_chunk(b"iCCP", b"a\0\0" + BOMB)),
    png_of_size(100, 100, png_chunk(b"eXIf", b"MM\0*" + bytes(20))),
    saved("RGB", "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(40)),
]
PICTURES = [
    *(saved(mode, "PNG") for mode in ("RGB", "RGBA", "P", "LA", "1", "I;16")),
    *(saved(mode, "JPEG") for mode in ("RGB", "L", "CMYK")),
    saved("RGB", "JPEG", progressive=True),
]


def test_pictures_of_any_kind_are_answered(watched: Watched, model: str) -> None:
    def look() -> None:
        chance = Chance(SEED)
        drawn = [*HOSTILE, *(chance.mutated(chance.choice(PICTURES)) for _ in range(90))]
        for data in drawn:
            encoded = base64.b64encode(data).decode()
            request = {"ProjectVersionArn": model, "Image": {"Bytes": encoded}, "MinConfidence": 0}
            send(watched, "DetectCustomLabels", json.dumps(request).encode())

    watched.survives(look)


def test_pictures_of_any_kind_are_trained_on_or_reported(watched: Watched, s3: Any) -> None:
    chance = Chance(SEED)
    good = put_pictures(s3, "fuzz/good", {"ok": 12, "scratch": 12})
    bad = []
    for number, data in enumerate([*HOSTILE, *(chance.mutated(chance.choice(PICTURES)) for _ in range(25))]):
        s3.put_object(Bucket=BUCKET, Key=f"fuzz/pictures/{number}", Body=data)
        bad.append(line(f"fuzz/pictures/{number}", ("ok", "scratch")[number % 2]))
    client = watched.service.client()

    check_training(client, begin_training(client, s3, [*good, *bad], good, VersionName=new_name("fuzz")))
    assert watched.written_elsewhere() == set()
