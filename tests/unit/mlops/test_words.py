"""What people read and write is never cut, rounded or joined so that it says something else."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops import words
from mlops.aws import clients, messages
from mlops.dataset.boxes import Box, LabeledBox, match
from mlops.dataset.images import Content
from mlops.events import ModelRollbackRequested, PipelineStageFailed
from mlops.judging import comparison, inference, mistakes
from mlops.judging.classification import LabelAnswer
from mlops.judging.comparison import Comparison, Difference
from mlops.judging.gate import Thresholds, reasons_against
from mlops.judging.inference import Limits
from mlops.judging.metrics import Means, Measured, Score, macro
from mlops.judging.sureness import Sureness
from mlops.reading import evidence, mails
from mlops.reading.evidence import Measure
from mlops.reading.rendering import render
from mlops.records import approvals, runs
from mlops.records.releases import Release
from mlops.records.runs import Stage
from mlops.records.table import OWN
from mlops.rounding import keeps_to, reaches
from mlops.stage import StageRef
from mlops.stages import approval, eval_metric, promotion, report
from mlops.stages.approval import Decision, DecisionRefused
from tests.unit.mlops.reading.test_rendering import RUN, evidence_of, known_of, page, report_of, shared
from tests.unit.mlops.test_survival import ref, roll_back
from tests.unit.mlops.world import DATASET, TASK, World

# Means that are exactly 0.8 and 0.7 in decimals; their sums in floats are not.
MEANS = [([0.7, 0.8, 0.9], 0.8), ([0.6, 0.7, 0.8], 0.7), ([0.1, 0.2, 0.3], 0.2), ([0.3, 0.4, 0.8], 0.5)]
JUST_BELOW = [(0.7996, 0.8), (0.79999, 0.8), (0.89951, 0.9), (0.4999996, 0.5)]
LABELS = ["a, b", "a=b", "two\nlines", " edge ", 'say "x"', "a;b"]


def score(f1: float) -> Score:
    return Score(f1, f1, f1, 5)


def measured(value: float, rate: float) -> Measured:
    return Measured(Means(value, value, value), accuracy=value, false_alarm_rate=rate)


class TestLimits:
    @pytest.mark.parametrize(("values", "limit"), MEANS)
    def test_a_mean_of_exactly_the_limit_passes_everywhere(self, values: list[float], limit: float) -> None:
        mean = sum(values) / len(values)
        macro_mean = macro({str(i): score(value) for i, value in enumerate(values)}).f1
        for value in (mean, macro_mean, limit - 1e-16, limit + 1e-16):
            assert reasons_against("service", value, {"x": score(value)}, Thresholds(limit, limit)) == []
            assert Measure("F1", value, "at least", limit).is_good
            assert Measure("rate", value, "at most", limit).is_good
            limits = Limits(dict.fromkeys(("f1", "accuracy", "false_alarm_rate"), limit))
            assert inference._reasons(measured(value, value), Sureness(), limits) == []

    @pytest.mark.parametrize(("candidate", "production"), [(0.85, 0.9), (0.75, 0.8), (0.1 + 0.2, 0.35)])
    def test_a_loss_of_exactly_what_is_tolerated_passes(self, candidate: float, production: float) -> None:
        f1 = Difference(candidate, production, candidate - production)

        assert comparison.reasons_against(Comparison(images=3, f1=f1), 0.05) == []

    def test_a_difference_of_nothing_but_the_last_bit_is_none_on_the_page(self) -> None:
        known = known_of("dent")
        known["test"]["comparison"]["f1"] |= {"difference": 0.1 + 0.2 - 0.3 - 1e-16}
        text = render("report.html", **shared("dent", known=known), **report_terms())

        assert '<strong class="good">+0.000</strong>' in text

    def test_an_overlap_of_exactly_the_limit_is_a_hit(self) -> None:
        # A fifth; in floats it is less than 0.2.
        true, found = Box(0, 0, 0.3, 1), Box(0.2, 0, 0.3, 1)

        assert match([LabeledBox("x", true)], [LabeledBox("x", found)], 0.2) == {0: 0}

    @pytest.mark.parametrize(("value", "limit"), JUST_BELOW)
    def test_what_is_really_less_does_not_pass(self, value: float, limit: float) -> None:
        assert not reaches(value, limit)
        assert not keeps_to(limit, value)

    def test_not_a_number_neither_reaches_nor_keeps_to_a_limit(self) -> None:
        assert not reaches(math.nan, 0)
        assert not keeps_to(math.nan, 1)


def report_terms() -> dict[str, Any]:
    return {"headline": "x", "reasons": [], "next_step": "x", "written_at": "2026-03-02T09:16", "stages": []}


class TestNumbers:
    @pytest.mark.parametrize(("value", "limit"), JUST_BELOW)
    def test_a_reason_shows_the_difference_that_it_is_about(self, value: float, limit: float) -> None:
        bounds = {"f1": limit, "accuracy": limit, "false_alarm_rate": value}
        reasons = [
            *reasons_against("service", value, {"x": score(value)}, Thresholds(limit, limit)),
            *inference._reasons(measured(value, limit), Sureness(), Limits(bounds)),
        ]

        assert len(reasons) == 5
        for reason in reasons:
            one, other = (float(number) for number in re.findall(r"\d\.\d+", reason))
            assert one != other

    @pytest.mark.parametrize("limit", [0.8125, 0.66667])
    def test_a_limit_is_shown_as_it_was_set(self, limit: float) -> None:
        assert str(limit) in reasons_against("service", 0.5, {}, Thresholds(limit, 0))[0]
        assert Measure("F1", 0.5, "at least", limit).texts[1] == str(limit)

    def test_a_loss_reads_as_more_than_what_is_tolerated(self) -> None:
        f1 = Difference(0.8496, 0.9, 0.8496 - 0.9)

        assert comparison.reasons_against(Comparison(images=3, f1=f1), 0.05) == [
            "worse than production: F1 0.8496 beside 0.9000 on the same 3 images; 0.0500 less is tolerated"
        ]

    @given(st.floats(0, 1), st.floats(0, 1))
    def test_a_number_and_its_limit_read_in_the_order_in_which_they_are(self, value: float, limit: float) -> None:
        one, other = (float(text) for text in words.beside(value, limit))

        assert (one >= other) == reaches(value, limit)
        assert (one <= other) == keeps_to(value, limit)

    @pytest.mark.parametrize(
        ("value", "text"),
        [(99.6, "99.6 %"), (99.96, "99.96 %"), (0.3, "0.3 %"), (100, "100 %"), (0, "0 %"), (91.2, "91 %")],
    )
    def test_all_and_nothing_are_said_of_nothing_else(self, value: float, text: str) -> None:
        answer = LabelAnswer(Content("datasets/d/test/x/1.png"), ("bent",), ("normal",), value)

        assert words.percent(value) == text
        assert f"bent, called normal with {text}: " in mistakes.caption(answer)

    @pytest.mark.parametrize(("value", "text"), [(0.9996, "0.9996"), (0.0004, "0.0004"), (1, "1.000"), (0, "0.000")])
    def test_a_score_reads_like_1_or_0_only_when_it_is(self, value: float, text: str) -> None:
        assert words.number(value) == text

    @pytest.mark.parametrize(
        ("value", "text"), [(-0.0004, "-0.0004"), (0.0004, "+0.0004"), (-0.1, "-0.100"), (0, "+0.000")]
    )
    def test_a_difference_reads_like_none_only_when_there_is_none(self, value: float, text: str) -> None:
        assert words.signed(value) == text

    @pytest.mark.parametrize(("usd", "text"), [(0.0004, "0.0004"), (0.4, "0.40"), (0, "0.00"), (2920, "2920.00")])
    def test_what_costs_something_does_not_read_like_nothing(self, usd: float, text: str) -> None:
        assert f"About USD {text} so far" in render(
            "report.html", **shared("x") | {"cost": replace(shared("x")["cost"], usd=usd)}, **report_terms()
        )

    @pytest.mark.parametrize(("seconds", "text"), [(0.4, "less than 1 s"), (3, "3 s"), (150, "2 min"), (179, "3 min")])
    def test_how_long_a_stage_took(self, seconds: float, text: str) -> None:
        began = datetime(2026, 1, 1, tzinfo=UTC)
        stage = Stage("training", "development", runs.COMPLETED, began, began + timedelta(seconds=seconds))

        assert report._took(stage) == text


class TestNames:
    @pytest.mark.parametrize("label", LABELS)
    def test_a_list_of_labels_shows_where_each_ends(self, label: str) -> None:
        listed = words.listed(["plain", label])

        assert listed == f"plain, {json.dumps(label)}"
        assert label in json.loads(f"[{listed.replace('plain', '0')}]")

    @pytest.mark.parametrize("label", LABELS)
    def test_a_label_in_a_reason_is_quoted_where_it_must_be(self, label: str) -> None:
        (reason,) = reasons_against("service", 1, {label: score(0)}, Thresholds(0, 0.5))

        assert json.dumps(label) in reason
        assert json.dumps(label) in words.some([label, "plain"])

    @pytest.mark.parametrize("count", [6, 100])
    def test_a_list_that_is_capped_says_how_many_more(self, count: int) -> None:
        assert words.listed([str(i) for i in range(count)], 5).endswith(f"4 and {count - 5} more")

    @pytest.mark.parametrize("written", [page, report_of, lambda _: mail({})[1]])
    def test_refused_files_and_warnings_that_are_left_out_are_counted(
        self, written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = known_of("dent")
        known["truth"]["refused"] = {f"k{i}": "is broken" for i in range(12)}
        known["truth"] |= {"refused_files": 5000, "refused_list": "runs/x/refused.jsonl"}
        known["warnings"] = [f"warning {i}" for i in range(17)]
        monkeypatch.setattr("tests.unit.mlops.reading.test_rendering.known_of", lambda *_: known)
        monkeypatch.setattr("tests.unit.mlops.test_words.known_of", lambda *_: known)

        text = re.sub("<[^>]+>", "", written("dent"))
        assert "and 4990 more: s3://artifacts/runs/x/refused.jsonl" in text
        assert f"and 7 more: s3://artifacts/runs/{RUN}/training_input.json" in text

    def test_a_test_with_mistakes_none_of_which_is_drawn_does_not_say_that_nothing_was_wrong(self) -> None:
        right = evidence.Picture("x", "x")
        known = shared("x") | {"pictures": {"gallery": [right], "overlays": []}}

        assert "Nothing was wrong" not in render("report.html", **known, **report_terms())
        assert "Nothing was wrong" in render("report.html", **known | {"mistakes": 0}, **report_terms())


def mail(changes: dict[str, Any], dataset: str = "transistor") -> tuple[str, str]:
    place = StageRef(f"{dataset}-classification-0f3a9c1b7d25", dataset, "classification", "x", "production")
    terms = {"link": "https://x", "source": "staging", "target": "production", "confirmation": "1b7d25"}
    known = evidence_of(known_of("dent") | changes)
    subject, text = mails.approval_mail(place, known, **terms, expires="tomorrow", stays_running=False)
    return subject, text.replace(place.run_id, RUN)


class TestMails:
    @pytest.mark.parametrize("dataset", ["d" * 30, "d" * 57, "d" * 100])
    def test_a_subject_says_what_is_asked_and_ends_with_the_run_whatever_the_dataset_is_called(
        self, dataset: str
    ) -> None:
        subject, _ = mail({}, dataset)
        run_id = f"{dataset}-detection-0f3a9c1b7d25"
        event = PipelineStageFailed(run_id, dataset, "detection", "data_prepare", "development")
        failed, _ = mails.failure_mail(event, "b")

        assert subject.startswith("Approve") and " for production? " in subject
        assert failed.startswith("FAILED: data_prepare of d")
        for text in (subject, failed):
            assert text.endswith("0f3a9c1b7d25")
            assert len(text) < 100

    @pytest.mark.parametrize("subject", ["s" * 150 + " end", "größer", "two\nlines " + "x" * 99])
    def test_a_subject_that_mail_cannot_carry_comes_whole_in_the_text(
        self, monkeypatch: pytest.MonkeyPatch, subject: str
    ) -> None:
        sent: list[dict[str, str]] = []
        monkeypatch.setenv("TOPIC_ARN", "topic")
        monkeypatch.setattr(clients, "client", lambda _: SimpleNamespace(publish=lambda **mail: sent.append(mail)))
        messages.send_mail(subject, "text")

        assert len(sent[0]["Subject"]) < 100 and sent[0]["Subject"].isascii()
        assert sent[0]["Message"] == f"{' '.join(subject.split())}\n\ntext"

    @pytest.mark.parametrize("name", ["x" * 255, "\u4e2d" * 255])
    def test_a_mail_about_as_many_labels_as_there_may_be_is_sent_and_says_what_did_not_fit(self, name: str) -> None:
        names = [f"{name}{i}"[-255:] for i in range(250)]
        known = known_of("dent")
        per_label = dict.fromkeys(names, known["test"]["per_label"]["dent"])
        f1 = known["test"]["comparison"]["per_label"]["dent"]
        test = known["test"] | {"per_label": per_label}
        test["comparison"] = test["comparison"] | {"per_label": dict.fromkeys(names, f1)}
        counts = {side: dict.fromkeys(names, 9) for side in ("train", "test", "holdout")}
        _, text = mail({"test": test, "truth": known["truth"] | {"labels": names, "counts": counts}})

        assert len(text.encode()) < 256_000
        assert "more lines did not fit into this mail: s3://artifacts/runs/" in text
        assert "https://x" in text

    def test_a_line_of_a_comment_is_not_taken_for_one_of_the_mail(self) -> None:
        place, reasons = ref(RUN, "approve2staging", "staging"), ("rejected by Ada: no\nWhy\n  - yes",)
        _, text = mails.failure_mail(PipelineStageFailed(**place.as_detail(), reasons=reasons), "b")

        assert "\n    Why\n" in text


class TestReasons:
    @pytest.mark.parametrize(
        "reasons",
        [
            [f"datasets/parts/train/bent/{i}.png has 51 boxes; at most 50 are allowed" for i in range(5000)],
            ["\u4e2d" * 341 + f"/{i} is not in the inventory of the run" for i in range(300)],
            ["\U0001f984" * 100_000],
            [f"{i}" + "\u00e9" * 5000 for i in range(100)],
        ],
    )
    def test_reasons_of_any_number_and_length_fit_and_say_where_all_of_them_are(
        self, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, reasons: list[str]
    ) -> None:
        put: list[dict[str, Any]] = []
        monkeypatch.setattr(messages, "put_event", lambda event: put.append(event.as_detail()))
        monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED")
        place = ref("parts-classification-000000000001", "data_prepare", "development")
        runs.begin(place, "c")
        for _ in range(2):
            runs.fail(place, reasons, "runs/r/data_prepare.json")
        stage = runs.stage_of(place)

        assert stage is not None
        assert len(put) == 1
        assert put[0]["reasons"] == list(stage.reasons)
        assert len(json.dumps(put[0])) < 100_000
        assert len(capsys.readouterr().out.encode()) < 100_000
        assert len(mails.failure_mail(PipelineStageFailed.of(put[0]), "artifacts")[1].encode()) < 100_000
        assert "more" in stage.reasons[-1] and "runs/r/data_prepare.json" in stage.reasons[-1]

    def test_the_first_reasons_are_whole_and_the_rest_is_counted(self) -> None:
        told = words.within([f"reason {i}" for i in range(60)], "a.json")

        assert told[:50] == [f"reason {i}" for i in range(50)]
        assert told[50:] == ["and 10 more: a.json"]

    def test_few_reasons_stay_as_they_are(self) -> None:
        assert words.within(["a", "b"], "x") == ["a", "b"]


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """A pending approval; its token."""
    monkeypatch.setattr(approval, "digest_of", lambda _: "d")
    place = ref(RUN, "approve2staging", "staging")
    approvals.begin(place, "a", "d", "token")
    return "token"


class TestDecisions:
    @pytest.mark.parametrize(("field", "length"), [("comment", 1001), ("approver", 101)])
    def test_what_is_too_long_to_be_kept_is_refused_with_a_sentence(self, asked: str, field: str, length: int) -> None:
        form = {"approver": "Ada", "comment": "", "confirmation": RUN[-6:], field: "x" * length}
        with pytest.raises(DecisionRefused, match=rf"{length} characters; at most {length - 1}"):
            approval.decide(Decision(asked, "approve", **form), {})

        assert (found := approval.find(asked)) is not None and found.state == approvals.PENDING

    @pytest.mark.parametrize("comment", ["x" * 1000, "one, two;\n" * 99])
    def test_what_is_not_too_long_is_kept_whole(self, asked: str, comment: str) -> None:
        decided = approval.decide(Decision(asked, "approve", "A" * 100, RUN[-6:], comment), {})

        assert decided.comment == comment.strip()
        assert decided.approver == "A" * 100

    def test_no_browser_cuts_what_is_typed(self) -> None:
        assert "maxlength" not in page("dent")

    @pytest.mark.parametrize("changes", [{"comment": "x" * 1001}, {"approver": "x" * 101}])
    def test_a_rollback_with_a_comment_too_long_to_be_kept_is_refused(
        self, world: World, changes: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mlops.records.releases.was_released", lambda _: Release(RUN, "arn", "2026"))
        runs.create(RUN, DATASET, TASK)
        roll_back(world, RUN)
        detail = world.on_the_way[-1][1]["detail"]
        OWN.update(f"RUN#{RUN}", detail["decision"], changes)
        promotion.roll_back(ModelRollbackRequested.of(detail), "c")

        stage = runs.stage_of(ref(RUN, "rollback", "production"))
        assert stage is not None
        assert stage.state == runs.FAILED
        assert "Shorten it" in stage.reasons[0]


def test_numbers_of_both_sources_agree_up_to_the_tolerance() -> None:
    assert keeps_to(abs(0.805 - 0.8), eval_metric._TOLERANCE)
