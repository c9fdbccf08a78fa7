"""The approval page is opened and answered as a browser would."""

import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cli.decide import ApprovalError, approval_link, approve

PAGE = """<!doctype html><form method="post" action="approval">
<input type=hidden name=token value="t&amp;1"><label>Your name <input name="approver" required></label>
<input name="version_name" required><textarea name="comment"></textarea>
<label><input type="radio" name="decision" value="approved"></label>
<input type="radio" name="decision" value="rejected">
<select name="reason"><option value="good">Good</option><option value="bad">Bad</option></select>
<button>Decide</button></form>"""
ANSWERS = {"approver": "Zoë", "version_name": "a-b-1", "comment": "fine", "decision": "approve", "reason": "good"}


class ApprovalServer(ThreadingHTTPServer):
    def __init__(self, page: str, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), ApprovalHandler)
        self.page, self.status, self.posted = page, status, []

    @property
    def link(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/base/approval?token=t1"


class ApprovalHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(200, self.server.page)

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.posted.append((self.path, urllib.parse.parse_qs(form)))
        self._answer(self.server.status, "thank you")

    def _answer(self, status: int, page: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ApprovalServer]:
    with ApprovalServer(PAGE) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def test_form_is_sent_to_its_action_with_hidden_fields_and_answers(server: ApprovalServer) -> None:
    assert approve(server.link, ANSWERS) == "thank you"

    path, form = server.posted[0]
    assert path == "/base/approval"
    assert form == {
        "token": ["t&1"],
        "approver": ["Zoë"],
        "version_name": ["a-b-1"],
        "comment": ["fine"],
        "decision": ["approved"],
        "reason": ["good"],
    }


def test_required_field_without_answer_is_named_and_nothing_is_sent(server: ApprovalServer) -> None:
    with pytest.raises(ApprovalError, match="requires version_name"):
        approve(server.link, {"approver": "Zoë"})

    assert server.posted == []


def test_answer_that_a_choice_does_not_offer_is_an_error(server: ApprovalServer) -> None:
    with pytest.raises(ApprovalError, match=r"\['approved', 'rejected'\] for decision, but not 'later'"):
        approve(server.link, {**ANSWERS, "decision": "later"})


def test_refusal_is_an_error_with_what_the_page_said(server: ApprovalServer) -> None:
    server.status = 410

    with pytest.raises(ApprovalError, match="POST /base/approval answered 410: thank you"):
        approve(server.link, ANSWERS)


def test_page_without_form_is_an_error(server: ApprovalServer) -> None:
    server.page = "<p>already decided"

    with pytest.raises(ApprovalError, match=r"(?s)0 forms.*already decided"):
        approve(server.link, ANSWERS)


def test_link_is_the_one_alone_on_its_line() -> None:
    mail = "See http://x/approval?token=no here.\n\n  http://127.0.0.1:1/_aws/execute-api/a/approval?token=T_-1\n"

    assert approval_link(mail) == "http://127.0.0.1:1/_aws/execute-api/a/approval?token=T_-1"
    assert approval_link("Nothing to decide: http://x/approval?token=no.") is None
