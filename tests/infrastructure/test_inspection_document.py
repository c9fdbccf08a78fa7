"""What docs/inspection.md prints is tried: the camera's program, the rule with its queue, and the commands."""

import hashlib
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from cli.__main__ import main
from mlops.records.inspections import Inspection
from tests.infrastructure.template import ROOT, of_type
from tests.infrastructure.test_linters import lint

TEXT = (ROOT / "docs/inspection.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```(\w*)\n(.*?)^```", TEXT)
NAME, RESULT = "inspect/transistor/line 2/0001.png", "results/transistor/line 2/0001.png.json"


def block(kind: str, begin: str = "") -> str:
    """The only block of a kind that has a text."""
    (found,) = [text for known, text in BLOCKS if known == kind and begin in text]
    return found


def test_every_block_is_tried_or_shows_what_is_no_command() -> None:
    kinds = [kind for kind, _ in BLOCKS]

    assert sorted(kinds) == sorted(["", "", "json", "python", "yaml", "sh", "sh", "sh"])


@pytest.fixture
def camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the program with buckets that answer when it pauses; returns what it printed last."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.chdir(tmp_path)
    with mock_aws():
        s3 = boto3.client("s3")
        for bucket in ("data", "artifacts"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
        program = block("python").replace("<DataBucketName>", "data").replace("<ArtifactsBucketName>", "artifacts")

        def run(data: bytes, answer: Callable[[Any], None]) -> dict[str, Any]:
            Path("part.png").write_bytes(data)
            monkeypatch.setattr("time.sleep", lambda _: answer(s3))
            names: dict[str, Any] = {}
            exec(program, names)
            return dict(names["answer"])

        yield run


def answer_newest(s3: Any) -> None:
    """As the stack does it, as far as the program reads it."""
    found = s3.get_object(Bucket="data", Key=NAME)
    digest = hashlib.sha256(found["Body"].read()).hexdigest()
    document = {"verdict": "ok", "reasons": [], "digest": digest, "version_id": found["VersionId"]}
    s3.put_object(Bucket="artifacts", Key=RESULT, Body=json.dumps(document).encode())


def test_the_camera_waits_for_the_answer_about_its_own_picture(camera: Any, capsys: Any) -> None:
    for data in (b"first", b"second under the same name"):
        assert camera(data, answer_newest)["digest"] == hashlib.sha256(data).hexdigest()
    assert capsys.readouterr().out == "ok []\n" * 2


def test_the_rule_and_its_queue_are_a_template(tmp_path: Path) -> None:
    path = tmp_path / "defects.yaml"
    path.write_text(block("yaml"))

    found = lint("cfn-lint", "--regions", "eu-west-1", "--", str(path))
    assert (found.returncode, found.stdout) == (0, "")


def test_the_rule_asks_for_what_the_event_is_called() -> None:
    listed = [str(rule["EventPattern"]) for rule in of_type("AWS::Events::Rule").values()]

    assert any("Part Inspected" in pattern for pattern in listed)
    assert "detail-type: [Part Inspected]" in block("yaml")


@pytest.mark.parametrize("begin", ["mlops serve", "mlops inspect"])
def test_the_commands_are_known_with_their_options(begin: str) -> None:
    for line in block("sh", begin).splitlines():
        words = shlex.split(line, comments=True)[1:]
        name = next(word for word in words if not word.startswith("-"))
        options = re.findall(r"(?m)^\s+(--[\w-]+)", CliRunner().invoke(main, [name, "--help"]).output)
        for word in words[words.index(name) :]:
            assert not word.startswith("--") or word in options or f"{word}" in " ".join(options), line


def test_the_example_of_an_answer_is_json_with_the_fields_of_one() -> None:
    told = Inspection("d", "k", "1", "ok", (), "2026-03-02T09:15:00.000+00:00").as_document()
    shown = json.loads(block("json"))

    assert set(shown) == {*told, "picture"}
