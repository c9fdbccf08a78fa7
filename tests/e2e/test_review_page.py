"""The page of reviews in a real browser: mouse, touch, keys, three widths, two themes, with JavaScript and without."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from moto import mock_aws

from mlops.aws import buckets
from mlops.dataset.boxes import Box
from mlops.judging.verdicts import Found
from mlops.records import review_links, reviews, table
from mlops.records.reviews import Review
from mlops.stages import review_page
from tests.e2e import browser
from tests.unit.mlops.memory_table import MemoryTable
from tests.unit.mlops.settling import picture
from tests.unit.mlops.world import SETTINGS, make_buckets

WIDTHS, THEMES = (390, 820, 1280), ("light", "dark")
TOKEN = "t" * 43
SIZE = 400, 300
# Where the screenshots go, for whoever wants to see them.
PICTURES = os.environ.get("REVIEW_PICTURES")


SMALL = "/reviews/parts/d1-small.jpg"
PICTURES_BY_PLACE = {
    "/reviews/parts/d1.png": lambda: picture(1, SIZE),
    "/reviews/parts/d2.png": lambda: picture(2, SIZE),
    SMALL: lambda: picture(3, (40, 30)),
}
# The pictures that were asked for.
sent: list[str] = []


class Page(BaseHTTPRequestHandler):
    """What API Gateway does with the function, and a picture."""

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        if place.path in PICTURES_BY_PLACE:
            sent.append(place.path)
            self._send(200, {"Content-Type": "image/png"}, PICTURES_BY_PLACE[place.path]())
            return
        self._answer({"rawPath": place.path, "queryStringParameters": dict(parse_qsl(place.query))})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer({"rawPath": self.path, "body": body})

    def _answer(self, event: dict[str, Any]) -> None:
        http = {"method": self.command, "path": event["rawPath"], "sourceIp": "192.0.2.1"}
        answer = review_page.respond({**event, "requestContext": {"http": http}})
        self._send(answer["statusCode"], answer["headers"], answer["body"].encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            # The server of this test has no TLS.
            if name != "Strict-Transport-Security":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


REVIEW = Review(
    dataset="parts",
    digest="",
    key="",
    picture="",
    width=SIZE[0],
    height=SIZE[1],
    reasons=("disagree", "unsure"),
    verdict="unsure",
    said=("the classifier says normal 91.0 (counts from 50.0)", "the detector finds 1 box: bent 61.5"),
    inspected_at="",
    labels=(Found("normal", 91.0),),
    boxes=(Found("bent", 61.5, Box(40, 30, 80, 60)),),
    run_ids={"classification": "r1"},
)
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&"


def named(number: int) -> dict[str, str]:
    return {
        "digest": f"d{number}",
        "key": f"inspect/parts/2026-03-01/line_2/station_7/board_00000{number}_top_view_after_reflow.png",
        "picture": f"reviews/parts/d{number}.png",
        "inspected_at": f"2026-03-01T09:15:0{number}.000+00:00",
    }


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The link to two reviews."""
    with mock_aws(config={"core": {"mock_credentials": True, "passthrough": {"urls": [r"http://127\.0\.0\.1"]}}}):
        for name, value in SETTINGS.items():
            monkeypatch.setenv(name, value)
        make_buckets()
        store = MemoryTable()
        monkeypatch.setattr(table, "_table", lambda: store)
        monkeypatch.setattr("mlops.aws.messages.put_event", lambda _: None)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        base = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(buckets.Bucket, "link", lambda _, key, *__: f"{base}/{key}")
        sent.clear()
        truth = json.dumps({"labels": ["bent", "cut_lead", "normal", "a label with a rather long name, as tools have"]})
        boto3.client("s3").put_object(Bucket="artifacts", Key="runs/r1/ground_truth.json", Body=truth)
        for number in (1, 2):
            reviews.begin(replace(REVIEW, **named(number)))
        review_links.begin("parts", TOKEN, 7)
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"{base}/review?token={TOKEN}"
        server.shutdown()
        server.server_close()


def visit(
    page: str, gesture: str, *steps: Mapping[str, Any], others: Sequence[str] = (), looks: bool = False
) -> dict[str, Any]:
    """What review.cjs saw; with `looks` at every width and in both themes."""
    place = Path(PICTURES) / gesture if PICTURES else None
    if place:
        place.mkdir(parents=True, exist_ok=True)
    widths, themes = (WIDTHS, THEMES) if looks else ((), ())
    request = {"url": page, "widths": widths, "themes": themes, "gesture": gesture, "steps": steps, "others": others}
    return browser.run("review.cjs", {**request, "pictures": str(place) if place else None})


def kept(number: int = 1) -> Review:
    found = reviews.find("parts", f"d{number}")
    assert found
    return found


@pytest.mark.parametrize("gesture", ["mouse", "touch", "keyboard"])
def test_a_box_is_drawn_moved_resized_and_the_found_one_deleted(page: str, gesture: str) -> None:
    seen = visit(page, gesture, {"draw": True}, {"zoom": True}, {"press": "confirm"}, looks=True)

    assert browser.faults(seen) == []
    assert seen["trace"][0]["toolsShown"] and seen["trace"][2]["zoomed"] > 1.3
    assert kept().reviewer == "Ann" and kept().answer.is_boxed
    (box,) = kept().answer.boxes
    found = (box.box.left, box.box.top, box.box.width, box.box.height)
    drawn = (240, 180, 60, 45) if gesture != "keyboard" else (190, 152, 80, 75)
    assert found == pytest.approx(drawn, abs=8)


def test_without_javascript_everything_but_drawing_works(page: str) -> None:
    seen = visit(page, "none", {"press": "label:cut_lead"}, {"press": "back"}, {"press": "confirm"}, looks=True)

    begun, after, back, again = seen["trace"]
    assert not begun["toolsShown"] and begun["boxes"] == ""
    assert "board_000002" in after["heading"] and "board_000001" in back["heading"]
    assert back["confirm"] == "Right: cut_lead" and back["ticks"] == [True]
    assert again["notice"] == "Kept: cut_lead, 1 box."
    assert kept().answer.labels == ("cut_lead",)
    assert [(one.label, one.box) for one in kept().answer.boxes] == [("cut_lead", Box(40, 30, 80, 60))]
    assert browser.faults(seen) == []


@pytest.mark.parametrize("gesture", ["mouse", "touch", "keyboard", "none"])
def test_every_answer_is_reached_and_mended(page: str, gesture: str) -> None:
    first = {"untick": 0}, {"press": "label:cut_lead"}, {"press": "back"}, {"press": "normal"}, {"press": "back"}
    seen = visit(page, gesture, *first, {"press": "unknown"}, {"press": "back"}, {"write": "dent"}, {"press": "new"})

    told = [one["notice"] for one in seen["trace"] if one["notice"].startswith("Kept")]
    assert told == ["Kept: cut_lead.", "Kept: no defect.", "Kept: nobody can tell.", "Kept: dent, 1 box."]
    assert (kept().answer.labels, kept().revision) == (("dent",), 4)
    assert [given.answer.labels for given in reviews.earlier(kept())] == [("cut_lead",), ("normal",), ()]
    assert seen["complaints"] == []


def test_skip_and_back_and_a_box_that_gets_another_label(page: str) -> None:
    steps = ({"press": "skip"}, {"press": "normal"}, {"draw": True}, {"label": "cut_lead"}, {"press": "confirm"})
    seen = visit(page, "mouse", *steps, {"press": "back"}, {"press": "label:cut_lead"})

    skipped, first, _, _, done, back, again = seen["trace"][1:]
    assert "board_000002" in skipped["heading"] and "board_000001" in first["heading"]
    assert "Nothing more waits" in done["heading"]
    # What was drawn is shown again, and stays where nobody touches it.
    assert (back["confirm"], back["ticks"], back["drawn"]) == ("Right: cut_lead", [True, False], 1)
    assert again["notice"] == "Kept: cut_lead, 1 box."
    assert [one.label for one in kept().answer.boxes] == ["cut_lead"] and kept().revision == 2
    assert kept(2).answer.labels == ("normal",)


def test_hostile_labels_and_names_show_as_text(page: str) -> None:
    truth = json.dumps({"labels": [HOSTILE, "bent"]})
    boto3.client("s3").put_object(Bucket="artifacts", Key="runs/r1/ground_truth.json", Body=truth)
    hostile = {"digest": "d0", "key": f"inspect/parts/{HOSTILE}", "picture": "reviews/parts/d1.png"}
    box = (Found(HOSTILE, 61.5, Box(40, 30, 80, 60)),)
    reviews.begin(replace(REVIEW, **hostile, inspected_at="2026-03-01", said=(HOSTILE,), boxes=box))
    seen = visit(page, "mouse", {"draw": True}, {"label": HOSTILE}, {"press": "confirm"})

    assert HOSTILE in seen["trace"][0]["heading"] and HOSTILE in seen["trace"][0]["options"]
    found = reviews.find("parts", "d0")
    assert found and found.answer.labels == (HOSTILE,)
    assert seen["complaints"] == []


def test_two_reviewers_at_once_see_different_pictures(page: str) -> None:
    seen = visit(page, "mouse", {"press": "normal"}, others=[page])

    (other,) = seen["others"]
    assert "board_000001" in seen["trace"][0]["heading"] and "board_000002" in other["heading"]
    assert "Nothing more waits" in seen["trace"][1]["heading"]


def test_forged_and_expired_links_show_nothing(page: str) -> None:
    review_links.begin("parts", "expired", 0)
    base = page.partition("=")[0]
    seen = visit(page, "mouse", others=[f"{base}=forged", f"{base}=expired", base])

    assert {other["heading"] for other in seen["others"]} == {"This link is unknown or has expired"}
    assert kept(2).session == ""


@pytest.mark.parametrize(
    ("steps", "asked_for"), [((), [SMALL]), (({"zoom": True},), [SMALL, "/reviews/parts/d1.png"])], ids=["", "zoom"]
)
def test_a_large_picture_is_sent_small_until_somebody_looks_closer(
    page: str, steps: tuple[dict[str, Any], ...], asked_for: list[str]
) -> None:
    table.OWN.update("REVIEW#parts#d1", "REVIEW", {"small": SMALL.removeprefix("/")})
    visit(page, "mouse", *steps)

    assert sent == asked_for
