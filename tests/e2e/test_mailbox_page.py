"""The mailbox as a person sees it, on a telephone, a tablet and a screen."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from local.cloud.mail import read_mails
from local.launcher.outbox import _post
from local.mailbox.__main__ import mailbox
from tests.e2e.browser import faults, look

WIDTHS = (390, 820, 1280)
TABLE = "Label            F1     precision  recall   boxes  missed  false alarms  on clean images"
LONG = f"https://example.com/{'a' * 300}"


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outbox")
    for subject in ("first", "<script>alert(1)</script>", f"last-{'x' * 200}"):
        _post(folder, 7, "a@example.com", "arn", subject, f"{LONG}\n\n{TABLE}\n{TABLE}\n\n<img src=x>")
    return folder


@pytest.fixture(scope="module")
def address(outbox: Path) -> Iterator[str]:
    with mailbox(outbox) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_list_has_no_faults_at_any_width_in_either_theme(address: str) -> None:
    # It looks for new mails by itself, without a script: that is meant.
    assert faults(look(address, widths=WIDTHS), borne={"meta-refresh"}) == []


def test_an_open_mail_has_no_faults_either(address: str, outbox: Path) -> None:
    seen = look(f"{address}/mails/{read_mails(outbox)[1].key}", widths=WIDTHS)

    assert faults(seen) == []
    assert {each["images"] for each in seen["looks"]} == {0}
