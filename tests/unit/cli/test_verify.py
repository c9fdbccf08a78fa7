"""Checks of assumptions on fakes of what AWS may answer, and the command around them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from cli import __main__ as commands
from cli import assumptions, verify
from cli.verify import DOES_NOT_HOLD, HOLDS, SETTLED, UNTRIED, Probe, Row, Verdict

DOCUMENT = Path(__file__).parents[3] / "docs" / "aws-assumptions.md"
ACCOUNT = "123456789012"
PROJECT = f"arn:aws:rekognition:eu-west-1:{ACCOUNT}:project/parts-{{task}}-development/1772621000000"
VERSION = f"arn:aws:rekognition:eu-west-1:{ACCOUNT}:project/parts-{{task}}-development/version/v/1772621000123"
# The sample summary of the developer guide.
SAMPLE = {"F1Score": 0.9726959470546408, "Precision": 0.9719115848331294, "Recall": 0.9735042735042735}
SAMPLE_LABELS = {"CAP": (0.9794344473007711, 0.9879502058029175), "WATCH": (0.9659574468085106, 0.5)}


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{code} for {ACCOUNT}"}}, "Operation")


class CustomLabels:
    """A project of each task; a trained version where results were put; `answers` are the errors of operations."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, list[str]] = {}
        self.status = "STOPPED"
        self.called: list[str] = []
        self.own: list[str] = []

    def trained(self, task: str, aggregates: Any, labels: Any, snapshot: Any = ()) -> None:
        evaluated = [
            {"Label": label, "Metrics": {"F1Score": f1, "Threshold": threshold}, "NumberOfTestingImages": 3}
            for label, (f1, threshold) in labels.items()
        ]
        details = {"Labels": list(labels)}
        summary = {"AggregatedEvaluationResults": aggregates, "LabelEvaluationResults": evaluated}
        self.files[f"{task}.json"] = json.dumps({**summary, "EvaluationDetails": details})
        self.files[f"{task}.lines"] = "".join(f"{json.dumps(line)}\n" for line in snapshot)
        asset = {"GroundTruthManifest": {"S3Object": {"Bucket": "b", "Name": f"{task}.lines"}}}
        self.versions[task] = {
            "ProjectVersionArn": VERSION.format(task=task),
            "CreationTimestamp": 1,
            "EvaluationResult": {"Summary": {"S3Object": {"Bucket": "b", "Name": f"{task}.json"}}},
            "TestingDataResult": {"Output": {"Assets": [asset]}},
        }

    def get_object(self, Key: str, **_: Any) -> Any:  # noqa: N803
        return {"Body": io.BytesIO(self.files[Key].encode())}

    def describe_projects(self, ProjectNames: list[str]) -> Any:  # noqa: N803
        found = [PROJECT.format(task=task) for task in self.versions if f"parts-{task}-development" in ProjectNames]
        return {"ProjectDescriptions": [{"ProjectArn": arn} for arn in (*found, *self.own)]}

    def get_paginator(self, _: str) -> Any:
        def pages(ProjectArn: str = "", **_: Any) -> Any:  # noqa: N803
            found = [version for task, version in self.versions.items() if f"-{task}-" in ProjectArn]
            return [{"ProjectVersionDescriptions": found}]

        return SimpleNamespace(paginate=pages)

    def describe_project_versions(self, **_: Any) -> Any:
        return {"ProjectVersionDescriptions": [{**v, "Status": self.status} for v in self.versions.values()]}

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**given: Any) -> Any:
            self.called.append(operation)
            if (codes := self.answers.get(operation)) and (code := codes.pop(0)):
                raise error(code)
            states = {"start_project_version": "RUNNING", "stop_project_version": "STOPPED"}
            self.status = states.get(operation, self.status)
            self.own = [] if operation == "delete_project" else self.own
            return {"ProjectArn": f"arn:aws:rekognition:eu-west-1:{ACCOUNT}:project/own/1772621000001"}

        return call


@pytest.fixture
def labels() -> CustomLabels:
    return CustomLabels()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "POLL_SECONDS", 0)
    monkeypatch.setattr(verify, "MODEL_SECONDS", 0)


def stack_of(labels: CustomLabels) -> Any:
    arn = f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stack/parts/1"
    outputs = {"ArtifactsBucketName": "b"}
    projects = [PROJECT.format(task=task) for task in labels.versions]
    return SimpleNamespace(clients=lambda _: labels, name="parts", arn=arn, outputs=outputs, projects=lambda: projects)


def tried(labels: CustomLabels, number: int, paid: bool = False) -> Verdict:
    row = assumptions.ROWS[number - 1]
    (outcome,) = verify.run(stack_of(labels), [row], [row] if paid else [], lambda _: None)
    return outcome.verdict


# ---------------------------------------------------------------- the rows


def test_the_table_of_the_document_is_that_of_the_module() -> None:
    said = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]

    assert said == [line for line in assumptions.table().splitlines() if line.startswith("| ")], (
        "change cli/assumptions.py, and take over what `python -m cli.assumptions` prints"
    )


def test_rows_are_numbered_from_one() -> None:
    assert [row.number for row in assumptions.ROWS] == list(range(1, len(assumptions.ROWS) + 1))


@pytest.mark.parametrize("row", assumptions.ROWS, ids=lambda row: str(row.number))
def test_a_row_is_settled_or_has_a_check_or_says_how_to_look(row: Row) -> None:
    assert row.source or row.check or row.by_hand
    assert row.holds and row.otherwise


def test_no_check_is_without_its_row() -> None:
    assert set(assumptions._CHECKS) == {row.number for row in assumptions.ROWS if row.check}


@pytest.mark.parametrize("number", [3, 7, 13, 14, 15, 16, 21, 24, 27, 33, 38])
def test_what_evidence_settles_names_its_source(number: int) -> None:
    assert assumptions.ROWS[number - 1].source


# ---------------------------------------------------------------- what versions left


def test_means_over_labels_hold_for_the_sample_of_the_guide(labels: CustomLabels) -> None:
    labels.trained("classification", SAMPLE, SAMPLE_LABELS)

    assert tried(labels, 9).word == HOLDS


@pytest.mark.parametrize("aggregate", [0.646, 0.72])
def test_an_aggregate_that_is_no_mean_does_not_hold_and_both_numbers_are_named(
    labels: CustomLabels, aggregate: float
) -> None:
    labels.trained("classification", SAMPLE, SAMPLE_LABELS)
    labels.trained("detection", {"F1Score": aggregate}, {"cut": (0.8, 0.5), "bent": (0.606, 0.5)})

    found = tried(labels, 9)

    assert found.word == DOES_NOT_HOLD
    assert f"{aggregate:.4f}, the mean over labels is 0.7030" in found.seen


@pytest.mark.parametrize("f1", [1.0, 0.5])
def test_labels_that_are_all_alike_cannot_tell_how_they_were_summed_up(labels: CustomLabels, f1: float) -> None:
    labels.trained("detection", {"F1Score": f1}, {"cut": (f1, 0.5), "bent": (f1, 0.5)})

    assert tried(labels, 9).word == UNTRIED


@pytest.mark.parametrize(("aggregates", "word"), [(SAMPLE, HOLDS), ({"Metrics": SAMPLE}, DOES_NOT_HOLD)])
@pytest.mark.parametrize("task", ["classification", "detection"])
def test_the_shape_of_a_summary_is_seen(labels: CustomLabels, task: str, aggregates: Any, word: str) -> None:
    labels.trained(task, aggregates, SAMPLE_LABELS)

    assert tried(labels, 6).word == word


def prediction(label: str, confidence: float, is_found: bool) -> dict[str, Any]:
    details = {"is-true-positive": is_found, "is-false-positive": False}
    given = {"class-name": label, "confidence": confidence}
    return {**given, "rekognition-custom-labels-evaluation-details": details}


def line(*predictions: dict[str, Any]) -> dict[str, Any]:
    return {f"rekognition-custom-labels-evaluation-{n}-metadata": found for n, found in enumerate(predictions)}


@pytest.mark.parametrize(("second", "word"), [(["CAP", "WATCH"], HOLDS), (["CAP"], DOES_NOT_HOLD), ([], DOES_NOT_HOLD)])
def test_labels_that_a_snapshot_leaves_out_are_seen(labels: CustomLabels, second: list[str], word: str) -> None:
    lines = [[prediction(label, 0.5, True) for label in given] for given in (["CAP", "WATCH"], second)]
    labels.trained("classification", SAMPLE, SAMPLE_LABELS, [line(*given) for given in lines])

    assert tried(labels, 8).word == word


@pytest.mark.parametrize(("confidence", "is_found", "word"), [
    (0.5, True, HOLDS), (0.5, False, DOES_NOT_HOLD), (0.51, True, UNTRIED), (0.49, False, UNTRIED),
])  # fmt: skip
def test_only_a_confidence_at_the_threshold_tells_on_which_side_it_is(
    labels: CustomLabels, confidence: float, is_found: bool, word: str
) -> None:
    labels.trained("classification", SAMPLE, SAMPLE_LABELS, [line(prediction("WATCH", confidence, is_found))])

    assert tried(labels, 10).word == word


@pytest.mark.parametrize("number", [6, 8, 9, 10, 19])
def test_before_a_first_training_a_check_says_what_is_missing(labels: CustomLabels, number: int) -> None:
    found = tried(labels, number)

    assert found.word == UNTRIED
    assert "trained" in found.seen


# ---------------------------------------------------------------- what is asked


@pytest.mark.parametrize(("codes", "word", "seen"), [
    (["", "", "", "", "", "LimitExceededException"], HOLDS, "policy 6"),
    (["", "", "", "", "", "ServiceQuotaExceededException"], DOES_NOT_HOLD, "ServiceQuotaExceededException"),
    (["", "", "LimitExceededException"], DOES_NOT_HOLD, "policy 3"),
    ([], DOES_NOT_HOLD, "six policies"),
    (["MalformedPolicyDocumentException"], UNTRIED, "malformed"),
])  # fmt: skip
def test_the_answer_to_a_sixth_policy_is_seen_and_all_are_deleted(
    labels: CustomLabels, codes: list[str], word: str, seen: str
) -> None:
    labels.answers["put_project_policy"] = list(codes)

    found = tried(labels, 30)

    assert (found.word, seen in found.seen) == (word, True), found.seen
    taken = labels.called.count("put_project_policy") - (1 if codes else 0)
    assert labels.called.count("delete_project_policy") == taken
    assert labels.called[-1] == "delete_project"


@pytest.mark.parametrize(("code", "word"), [
    ("InvalidParameterException", HOLDS), ("ValidationException", HOLDS), ("MalformedInput", DOES_NOT_HOLD),
    ("", DOES_NOT_HOLD),
])  # fmt: skip
def test_the_code_of_a_broken_constraint_is_seen(labels: CustomLabels, code: str, word: str) -> None:
    labels.answers["create_project"] = [code]

    assert tried(labels, 15).word == word
    assert labels.called.count("delete_project") == (0 if code else 1)


@pytest.mark.parametrize(("code", "word"), [("ResourceInUseException", HOLDS), ("", DOES_NOT_HOLD)])
def test_a_model_that_was_started_is_stopped_whatever_a_stop_while_starting_does(
    labels: CustomLabels, code: str, word: str
) -> None:
    labels.trained("classification", SAMPLE, SAMPLE_LABELS)
    labels.answers["stop_project_version"] = [code]

    assert tried(labels, 5, paid=True).word == word
    assert labels.status == "STOPPED"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "InternalServerError"])
def test_missing_rights_and_faults_say_nothing_about_an_assumption(labels: CustomLabels, code: str) -> None:
    labels.trained("classification", SAMPLE, SAMPLE_LABELS)
    labels.answers["stop_project_version"] = [code]

    found = tried(labels, 5, paid=True)

    assert found.word == UNTRIED
    assert code in found.seen


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalServerError"])
def test_what_cannot_be_taken_away_again_is_named(labels: CustomLabels, code: str) -> None:
    labels.trained("classification", SAMPLE, SAMPLE_LABELS)
    labels.answers["stop_project_version"] = ["ResourceInUseException", code]

    found = tried(labels, 5, paid=True)

    assert found.word == HOLDS
    assert "costs money" in found.left_behind[0]


@pytest.mark.parametrize("aggregates", [None, {"Metrics": {}}, {"F1": 0.5}])
def test_an_answer_of_another_shape_hides_no_other_row(labels: CustomLabels, aggregates: Any) -> None:
    labels.trained("detection", aggregates, {"cut": (0.8, 0.5), "bent": (0.606, 0.5)})
    labels.answers["put_project_policy"] = [""] * 5 + ["LimitExceededException"]
    rows = [assumptions.ROWS[number - 1] for number in (9, 30)]

    words = [outcome.verdict.word for outcome in verify.run(stack_of(labels), rows, [], lambda _: None)]

    assert words == [UNTRIED, HOLDS]


def test_a_settled_row_stays_settled_where_it_cannot_be_tried(labels: CustomLabels) -> None:
    labels.answers["create_project"] = ["AccessDeniedException"]

    found = tried(labels, 15)

    assert found.word == SETTLED
    assert assumptions.ROWS[14].source in found.seen


# ---------------------------------------------------------------- the command


def answering(word: str, seen: str = "", left: str = "") -> Callable[[Probe], Verdict]:
    return lambda _: Verdict(word, seen, (left,) if left else ())


def row(number: int, check: Callable[[Probe], Verdict] | None, usd: float = 0.0) -> Row:
    return Row(number, f"fact {number}", "no", "goes on", "stops", by_hand="look", usd=usd, check=check)


@pytest.fixture
def mlops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, labels: CustomLabels) -> Callable[..., Result]:
    def call(rows: list[Row], *arguments: str, typed: str = "") -> Result:
        monkeypatch.setattr(assumptions, "ROWS", tuple(rows))
        monkeypatch.setattr(commands.Context, "stack", stack_of(labels))
        monkeypatch.setattr(commands.Context, "session", SimpleNamespace(region_name="eu-west-1"))
        output = str(tmp_path / "sent.json")
        return CliRunner().invoke(commands.main, ["--json", "verify", "--output", output, *arguments], input=typed)

    return call


@pytest.mark.parametrize(("word", "exit_code"), [(HOLDS, 0), (UNTRIED, 0), (DOES_NOT_HOLD, 1)])
def test_the_exit_code_says_whether_everything_that_was_tried_holds(
    mlops: Callable[..., Result], word: str, exit_code: int
) -> None:
    assert mlops([row(1, answering(HOLDS)), row(2, answering(word))]).exit_code == exit_code


@pytest.mark.parametrize(("word", "does"), [(HOLDS, "goes on"), (DOES_NOT_HOLD, "stops"), (UNTRIED, "")])
def test_the_file_has_what_is_printed_and_no_account(
    mlops: Callable[..., Result], tmp_path: Path, word: str, does: str
) -> None:
    printed = json.loads(mlops([row(1, answering(word, PROJECT))]).stdout)
    sent = json.loads((tmp_path / "sent.json").read_text())

    assert sent["assumptions"] == printed
    assert printed[0]["what_the_code_does"] == does
    assert sent["region"] == "eu-west-1"
    assert ACCOUNT not in json.dumps(sent)


@pytest.mark.parametrize(("only", "tried_rows"), [("2", [2]), ("3, 1", [1, 3]), ("", [1, 2, 3])])
def test_only_the_rows_that_are_named_are_tried(mlops: Callable[..., Result], only: str, tried_rows: list[int]) -> None:
    found = json.loads(mlops([row(n, answering(HOLDS)) for n in (1, 2, 3)], "--only", only).stdout)

    assert [entry["number"] for entry in found] == tried_rows


@pytest.mark.parametrize("only", ["99", "1,x", "0"])
def test_a_number_that_is_none_is_called_wrongly(mlops: Callable[..., Result], only: str) -> None:
    result = mlops([row(1, answering(HOLDS))], "--only", only)

    assert result.exit_code == 2
    assert f"there is no assumption {only.split(',')[-1]}" in result.stderr


@pytest.mark.parametrize(("spend", "bought"), [("0.5", set()), ("1.5", {2}), ("3", {2, 3}), ("15", {2, 3, 4})])
def test_what_fits_into_the_money_is_tried_after_asking(
    mlops: Callable[..., Result], spend: str, bought: set[int]
) -> None:
    rows = [row(1, answering(HOLDS)), *(row(n, answering(HOLDS), usd) for n, usd in ((2, 1.0), (3, 1.5), (4, 9.0)))]

    result = mlops(rows, "--spend", spend, typed="y\n")

    found = {entry["number"]: entry for entry in json.loads(result.stdout)}
    assert {number for number, entry in found.items() if entry["verdict"] == HOLDS} == {1, *bought}
    assert ("Go on?" in result.stderr) is bool(bought)
    assert all("--spend" in found[number]["seen"] for number in {2, 3, 4} - bought)


@pytest.mark.parametrize("typed", ["n\n", ""])
def test_without_a_yes_nothing_is_tried(mlops: Callable[..., Result], tmp_path: Path, typed: str) -> None:
    assert mlops([row(1, answering(HOLDS), 1.0)], "--spend", "15", typed=typed).exit_code == 1
    assert not (tmp_path / "sent.json").exists()


def test_a_row_without_code_says_how_to_look(mlops: Callable[..., Result]) -> None:
    (found,) = json.loads(mlops([row(1, None)]).stdout)

    assert (found["verdict"], found["seen"]) == (UNTRIED, "by hand: look")


@pytest.mark.parametrize("what", ["queue mlops-verify-1", "role mlops-verify-2"])
def test_what_was_left_behind_is_said_and_is_a_failure(mlops: Callable[..., Result], what: str) -> None:
    def check(probe: Probe) -> Verdict:
        def undo() -> None:
            raise error("AccessDenied")

        probe.later(what, undo)
        return Verdict(HOLDS, "")

    result = mlops([row(1, check)])

    assert result.exit_code == 1
    assert f"do it by hand:\n  {what}" in result.stderr
