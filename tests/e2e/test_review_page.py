"""The page of reviews in a real browser: mouse, touch, keys, three widths, two themes, with JavaScript and without."""

import json
import os
from collections.abc import Iterator
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


class Page(BaseHTTPRequestHandler):
    """What API Gateway does with the function, and a picture."""

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        if place.path == "/picture.png":
            self._send(200, {"Content-Type": "image/png"}, picture(1, SIZE))
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
        monkeypatch.setattr(buckets.Bucket, "link", lambda *_: f"{base}/picture.png")
        truth = json.dumps({"labels": ["bent", "cut_lead", "normal", "a label with a rather long name, as tools have"]})
        boto3.client("s3").put_object(Bucket="artifacts", Key="runs/r1/ground_truth.json", Body=truth)
        for number in (1, 2):
            reviews.begin(
                Review(
                    dataset="parts",
                    digest=f"d{number}",
                    key=f"inspect/parts/2026-03-01/line_2/station_7/board_00000{number}_top_view_after_reflow.png",
                    picture=f"reviews/parts/d{number}.png",
                    width=SIZE[0],
                    height=SIZE[1],
                    reasons=("disagree", "unsure"),
                    verdict="unsure",
                    said=("the classifier says normal 91.0 (counts from 50.0)", "the detector finds 1 box: bent 61.5"),
                    inspected_at=f"2026-03-01T09:15:0{number}.000+00:00",
                    labels=(Found("normal", 91.0),),
                    boxes=(Found("bent", 61.5, Box(40, 30, 80, 60)),),
                    run_ids={"classification": "r1"},
                )
            )
        review_links.begin("parts", TOKEN, 7)
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"{base}/review?token={TOKEN}"
        server.shutdown()
        server.server_close()


def visit(page: str, gesture: str, answer: str) -> dict[str, Any]:
    place = Path(PICTURES) / gesture if PICTURES else None
    if place:
        place.mkdir(parents=True, exist_ok=True)
    request = {"url": page, "widths": WIDTHS, "themes": THEMES, "gesture": gesture, "answer": answer}
    return browser.run("review.cjs", {**request, "pictures": str(place) if place else None})


@pytest.mark.parametrize("gesture", ["mouse", "touch", "keyboard"])
def test_a_box_is_drawn_moved_resized_and_the_found_one_deleted(page: str, gesture: str) -> None:
    seen = visit(page, gesture, "confirm")
    kept = reviews.find("parts", "d1")

    assert browser.faults(seen) == []
    assert seen["toolsShown"] and seen["zoomed"] > 1.3
    assert kept and kept.reviewer == "Ann" and kept.answer.is_boxed
    (box,) = kept.answer.boxes
    found = (box.box.left, box.box.top, box.box.width, box.box.height)
    drawn = (240, 180, 60, 45) if gesture != "keyboard" else (190, 152, 80, 75)
    assert found == pytest.approx(drawn, abs=8)


def test_without_javascript_everything_but_drawing_works(page: str) -> None:
    seen = visit(page, "none", "label:cut_lead")
    kept = reviews.find("parts", "d1")

    assert not seen["toolsShown"] and seen["boxes"] == ""
    assert "board_000002" in seen["heading"]
    assert kept and kept.answer.labels == ("cut_lead",)
    assert [(one.label, one.box) for one in kept.answer.boxes] == [("cut_lead", Box(40, 30, 80, 60))]
    assert browser.faults(seen) == []
