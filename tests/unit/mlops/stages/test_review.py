"""The page of reviews, as browsers ask for it."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from mlops.dataset.boxes import Box, LabeledBox
from mlops.judging.choosing import RANDOM, Candidate
from mlops.judging.verdicts import Found
from mlops.records import releases, review_links, reviews
from mlops.records.releases import Release
from mlops.records.reviews import ANSWERED, CLOSED, Answer, Review
from mlops.stages import review_page
from tests.unit.mlops.records.test_reviews import NOW, REVIEW, Clock
from tests.unit.mlops.world import TASK, Killed, World, set_clock

TOKEN = "t" * 43
HOSTILE = "\"><script>alert(1)</script>'&"


@pytest.fixture(autouse=True)
def _link(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Clock.now = NOW
    set_clock(monkeypatch, time=lambda: Clock.now)
    review_links.begin("parts", TOKEN, 7)
    world.s3.put_object(
        Bucket="artifacts", Key="runs/r1/ground_truth.json", Body=json.dumps({"labels": ["bent", "cut", "normal"]})
    )
    yield


def get(token: str = TOKEN, method: str = "GET", path: str = "/review") -> dict[str, Any]:
    http = {"method": method, "path": path, "sourceIp": "192.0.2.1"}
    return review_page.respond(
        {"requestContext": {"http": http}, "rawPath": path, "queryStringParameters": {"token": token}}
    )


def post(**fields: Any) -> dict[str, Any]:
    body = urlencode({"token": TOKEN, "reviewer": "Ann", **fields}, doseq=True)
    return review_page.respond({"requestContext": {"http": {"method": "POST", "path": "/review"}}, "body": body})


def hidden(page: dict[str, Any]) -> dict[str, str]:
    """The hidden fields of a page, as a browser sends them."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page["body"])
    return {name: unescape(value) for name, value in found}


def begin(*names: str, **changes: Any) -> dict[str, Any]:
    for place, name in enumerate(names or ("d1",)):
        at = f"2026-03-01T09:15:0{place}.000+00:00"
        reviews.begin(replace(REVIEW, digest=name, inspected_at=at, **changes))
    return post(answer="begin")


def answered(name: str = "d1") -> Review:
    found = reviews.find("parts", name)
    assert found
    return found


def shows(page: dict[str, Any]) -> str:
    return hidden(page).get("review", "")


def test_get_and_head_change_nothing_and_show_how_many_wait(world: World) -> None:
    begin("d1", "d2")
    before = world.table.snapshot()

    assert "2 pictures wait" in get()["body"]
    assert get(method="HEAD")["statusCode"] == 200
    assert world.table.snapshot() == before


@pytest.mark.parametrize("token", ["", "forged", TOKEN + "x"])
def test_a_forged_token_answers_nothing(token: str) -> None:
    begin()

    assert get(token)["statusCode"] == 404
    page = post(token=token, answer="normal", review="d1", session="s", revision=0)
    assert page["statusCode"] == 404 and "line 2" not in page["body"]
    assert answered().revision == 0


def test_an_expired_token_answers_nothing() -> None:
    page = begin()
    Clock.now += 7 * 86400

    assert get()["statusCode"] == 404
    assert post(**hidden(page), answer="normal")["statusCode"] == 404
    assert answered().revision == 0


def test_a_token_leads_to_its_own_dataset_only() -> None:
    reviews.begin(replace(REVIEW, dataset="others", digest="foreign"))
    page = post(answer="normal", review="foreign", session="s", revision=0)

    assert shows(page) == ""
    found = reviews.find("others", "foreign")
    assert found and found.revision == 0


def test_headers_are_strict_and_the_script_is_served_from_here() -> None:
    headers, script = get()["headers"], get("", path="/review.js")

    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert (headers["Cache-Control"], headers["X-Frame-Options"]) == ("no-store", "DENY")
    assert script["headers"]["Content-Type"].startswith("text/javascript")
    assert "pointerdown" in script["body"]


def test_nothing_on_the_page_is_a_script_or_a_handler_of_its_own() -> None:
    page = begin()["body"]

    assert re.findall(r"<script[^>]*>", page) == ['<script src="review.js" defer>']
    assert not re.search(r"\son\w+=|javascript:", page)


def test_hostile_names_and_labels_show_as_text(world: World) -> None:
    truth = json.dumps({"labels": [HOSTILE]})
    world.s3.put_object(Bucket="artifacts", Key="runs/r1/ground_truth.json", Body=truth)
    box = Found(HOSTILE, 91.25, Box(1, 2, 3, 4))
    page = begin(key=f"inspect/parts/{HOSTILE}", said=(HOSTILE,), labels=(Found(HOSTILE, 60.0),), boxes=(box,))

    assert "<script>alert" not in page["body"]
    boxes = re.search(r'data-boxes="([^"]*)"', page["body"])
    assert boxes and json.loads(unescape(boxes[1]))[0]["label"] == HOSTILE
    post(**hidden(page), answer=f"label:{HOSTILE}")
    assert answered().answer.labels == (HOSTILE,)


def test_a_name_is_needed() -> None:
    page = post(answer="begin", reviewer="  ")

    assert page["statusCode"] == 400 and "Enter your name" in page["body"]
    assert "at most 100" in post(answer="begin", reviewer="x" * 101)["body"]


@pytest.mark.parametrize(
    ("fields", "expected", "state"),
    [
        ({"answer": "confirm", "keep": [0]}, Answer(("bent",), (LabeledBox("bent", Box(1, 2, 3, 4)),), True), ANSWERED),
        ({"answer": "confirm"}, Answer(("bent",)), ANSWERED),
        ({"answer": "normal", "keep": [0]}, Answer(("normal",), (), True), ANSWERED),
        ({"answer": "unknown", "keep": [0]}, Answer(), CLOSED),
        (
            {"answer": "label:cut", "keep": [0]},
            Answer(("cut",), (LabeledBox("cut", Box(1, 2, 3, 4)),), True),
            ANSWERED,
        ),
        ({"answer": "new", "new_label": " Bent "}, Answer(("bent",)), ANSWERED),
        ({"answer": "new", "new_label": "scratch"}, Answer(("scratch",)), ANSWERED),
        ({"answer": "new", "new_label": "OK"}, Answer(("normal",), (), True), ANSWERED),
        (
            {"answer": "confirm", "boxes": '[{"label": "cut", "left": -5, "top": 1, "width": 900, "height": 4.256}]'},
            Answer(("cut",), (LabeledBox("cut", Box(0, 1, 64, 4.26)),), True),
            ANSWERED,
        ),
        ({"answer": "confirm", "boxes": "[]", "keep": [0]}, Answer(("bent",)), ANSWERED),
    ],
)
def test_answers(fields: dict[str, Any], expected: Answer, state: str, world: World) -> None:
    page = begin()
    done = post(**{**hidden(page), **fields})

    kept = answered()
    assert (kept.answer, kept.state, kept.reviewer, kept.revision) == (expected, state, "Ann", 1)
    assert "Nothing more waits" in done["body"]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"answer": "new", "new_label": " "}, "Write what the new label is called"),
        ({"answer": "new", "new_label": "x" * 256}, "at most 255"),
        ({"answer": "new", "new_label": "a\u202eb"}, "cannot be seen"),
        ({"answer": "nonsense"}, "Choose one of the answers"),
        ({"answer": "confirm", "boxes": "{"}, "could not be read"),
        ({"answer": "confirm", "boxes": "[1]"}, "could not be read"),
        ({"answer": "confirm", "boxes": "[" * 100_000}, "could not be read"),
        ({"answer": "confirm", "boxes": json.dumps([{}] * 51)}, "51 boxes"),
        (
            {"answer": "confirm", "boxes": '[{"label": "a", "left": 1e999, "top": 1, "width": 9, "height": 9}]'},
            "no place",
        ),
        ({"answer": "confirm", "boxes": '[{"label": "a", "left": 64, "top": 1, "width": 9, "height": 9}]'}, "smaller"),
        ({"answer": "confirm", "boxes": '[{"left": 1, "top": 1, "width": 9, "height": 9}]'}, "no label"),
    ],
)
def test_what_cannot_be_kept_is_said_and_the_picture_stays(fields: dict[str, Any], problem: str) -> None:
    page = post(**{**hidden(begin()), **fields})

    assert page["statusCode"] == 400 and problem in page["body"]
    assert shows(page) == "d1" and answered().revision == 0


def test_two_reviewers_at_once_never_see_the_same_picture() -> None:
    first = begin("d1", "d2")
    second = post(answer="begin", reviewer="Ben")
    third = post(answer="begin", reviewer="Cat")

    assert (shows(first), shows(second)) == ("d1", "d2")
    assert "Nothing more waits" in third["body"]


def test_a_form_of_somebody_whose_time_is_over_answers_nothing_that_another_has() -> None:
    late = begin()
    Clock.now += reviews.LOCK_SECONDS
    other = post(answer="begin", reviewer="Ben")
    post(**{**hidden(other), "answer": "normal", "reviewer": "Ben"})
    page = post(**hidden(late), answer="label:cut")

    assert "your answer was not needed" in page["body"]
    assert (answered().reviewer, answered().answer.labels) == ("Ben", ("normal",))


def test_the_same_form_sent_twice_is_one_answer() -> None:
    form = {**hidden(begin()), "answer": "label:cut"}
    post(**form)
    again = post(**form)

    assert answered().revision == 1
    assert "Kept: cut" in again["body"]


def test_skip_shows_the_next_and_the_skipped_one_last() -> None:
    page = begin("d1", "d2")
    second = post(**hidden(page), answer="skip")
    assert shows(second) == "d2"
    assert shows(post(**hidden(second), answer="normal")) == "d1"


def test_back_shows_the_last_answer_to_be_mended_by_whoever_gave_it() -> None:
    second = post(**hidden(begin("d1", "d2")), answer="label:cut")
    back = post(**hidden(second), answer="back")
    assert shows(back) == "d1" and "You said: cut" in back["body"]

    after = post(**hidden(back), answer="normal")
    assert shows(after) == "d2"
    assert (answered().answer.labels, answered().revision) == (("normal",), 2)
    stranger = post(**{**hidden(after), "session": "other", "answer": "back", "reviewer": "Ben"})
    assert shows(stranger) != "d1"


TWO = (Found("bent", 91.0, Box(1, 2, 3, 4)), Found("cut", 80.0, Box(20, 20, 5, 5)))


def ticks(page: dict[str, Any]) -> list[tuple[str, bool]]:
    """The boxes of a page, and whether each is ticked."""
    found = re.findall(r'name="keep" value="\d" autocomplete="off"( checked)?>\d: ([^<]*)<', page["body"])
    return [(label, bool(checked)) for checked, label in found]


def back_after(page: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The page after an answer and a step back."""
    return post(**hidden(post(**{**hidden(page), **fields})), answer="back")


def test_back_numbers_boxes_as_it_shows_them() -> None:
    back = back_after(begin("d1", "d2", boxes=TWO), answer="confirm", keep=[1])

    assert ticks(back) == [("cut", True), ("bent 91.0", False)]
    post(**hidden(back), answer="confirm", keep=[0])
    assert [(one.label, one.box.left) for one in answered().answer.boxes] == [("cut", 20)]
    again = post(answer="back", session=answered().session, trail="d1")
    post(**hidden(again), answer="confirm", keep=[0, 1])
    assert [one.label for one in answered().answer.boxes] == ["cut", "bent"]


@pytest.mark.parametrize("answer", ["confirm", "label:cut"])
def test_back_keeps_what_was_drawn_where_nobody_touches_it(answer: str) -> None:
    drawn = '[{"label": "cut", "left": 5, "top": 5, "width": 9, "height": 9}]'
    back = back_after(begin("d1", "d2", boxes=()), answer="confirm", boxes=drawn)

    assert ticks(back) == [("cut", True)] and hidden(back)["boxes"] == ""
    assert "Right: cut</button>" in back["body"]
    post(**hidden(back), answer=answer, keep=[0])
    assert (answered().revision, answered().answer) == (
        2,
        Answer(("cut",), (LabeledBox("cut", Box(5, 5, 9, 9)),), True),
    )


def test_back_confirms_the_answer_with_all_its_labels() -> None:
    drawn = '[{"label": "cut", "left": 5, "top": 5, "width": 9, "height": 9}]'
    back = back_after(begin("d1", "d2"), answer="label:bent", boxes=drawn)

    assert "Right: bent, cut</button>" in back["body"]
    post(**hidden(back), answer="confirm", keep=[0])
    assert answered().answer.labels == ("bent", "cut")


def test_back_after_no_defect_shows_the_boxes_of_the_models_unticked() -> None:
    back = back_after(begin("d1", "d2", boxes=TWO), answer="normal")

    assert ticks(back) == [("bent 91.0", False), ("cut 80.0", False)]
    assert "You said: no defect" in back["body"]


def test_a_form_that_the_browser_went_back_to_changes_nothing_and_says_what_is_kept() -> None:
    page = begin("d1", "d2")
    post(**hidden(page), answer="label:cut")
    again = post(**hidden(page), answer="normal")

    assert answered().answer.labels == ("cut",)
    assert "Kept: cut. The button Back shows it again." in again["body"]


def test_a_large_picture_comes_as_a_small_copy_first() -> None:
    page = begin(small="reviews/parts/d1-small.jpg")["body"]

    assert re.search(r'<img src="[^"]*d1-small\.jpg[^"]*" data-full="[^"]*d1\.png', page)


def test_killed_at_any_call_of_an_answer_it_is_kept_once(world: World) -> None:
    page = begin()
    form, before = {**hidden(page), "answer": "label:cut"}, world.table.snapshot()
    world.kill_after(-1)
    post(**form)
    calls = world.calls
    for call in range(1, calls + 1):
        world.table.restore(before)
        world.kill_after(call)
        with pytest.raises(Killed):
            post(**form)
        world.is_dead = False
        world.kill_after(-1)
        assert post(**form)["statusCode"] == 200
        assert (answered().answer.labels, answered().revision) == (("cut",), 1)


def test_what_is_true_in_production_is_told_from_the_random_share_of_what_is_released() -> None:
    for name, reason, run in (("d1", RANDOM, "r1"), ("d2", "unsure", "r1"), ("d3", RANDOM, "r0")):
        reviews.reserve("parts", REVIEW.day, Candidate(0.01, name, (reason,)), 9)
        post(**hidden(begin(name, reasons=(reason,), verdict="defect", run_ids={TASK: run})), answer="normal")
    assert "Precision (parts called defective that are): none yet: too few to say" in get()["body"]

    releases.record(Release("r1", "arn", "2026-03-01", dataset="parts", task=TASK, environment="production"))
    assert "Precision (parts called defective that are): 0 of 1: too few to say" in get()["body"]


def test_what_was_answered_before_chance_drew_lower_lots_is_no_longer_of_the_share() -> None:
    releases.record(Release("r1", "arn", "2026-03-01", dataset="parts", task=TASK, environment="production"))
    for name, lot in (("d1", 0.02), ("d2", 0.01)):
        reviews.reserve("parts", REVIEW.day, Candidate(lot, name, (RANDOM,)), 1)
        post(**hidden(begin(name, reasons=(RANDOM,), verdict="defect")), answer="normal")

    assert "Precision (parts called defective that are): 0 of 1: too few to say" in get()["body"]
