"""The mailbox page shows mails and trusts none of them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import httpx
import pytest

from local.cloud.mail import Mail, read_mails
from local.launcher.outbox import _post
from local.mailbox.__main__ import mailbox
from local.mailbox.page import paragraphs, render_list, render_mail, with_links


def mail(subject: str, text: str = "", key: str = "1") -> Mail:
    return Mail(key, datetime(2026, 1, 2, tzinfo=UTC), "a@example.com", subject, text, text)


def opened(text: str) -> str:
    page = render_mail([mail("<script>a</script>", text)], "1")
    assert page
    return page


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a mailbox with one mail."""
    _post(tmp_path, 7, "a@example.com", "arn", "Hello", "See https://example.com/x.")
    with mailbox(tmp_path) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_text_of_a_mail_is_escaped() -> None:
    page = opened("<img src=x> & 'more'")

    assert "<script" not in page + render_list([mail("<script>a</script>")])
    assert "<img" not in page
    assert "&lt;img src=x&gt; &amp; &#39;more&#39;" in page


def test_addresses_become_links_without_the_punctuation_after_them() -> None:
    assert with_links("See http://127.0.0.1:1/a?b=1&c=2, or (https://example.com/x).") == (
        'See <a href="http://127.0.0.1:1/a?b=1&amp;c=2" rel="noreferrer">http://127.0.0.1:1/a?b=1&amp;c=2</a>, '
        'or (<a href="https://example.com/x" rel="noreferrer">https://example.com/x</a>).'
    )


def test_other_schemes_and_quotes_do_not_become_links() -> None:
    assert "<a" not in with_links("javascript:alert(1) file:///etc/passwd")
    assert with_links('http://x/"onclick=').startswith('<a href="http://x/" rel="noreferrer">http://x/</a>&#34;')


def test_the_list_shows_newest_first_what_each_is_about_and_no_text() -> None:
    page = render_list([mail("older", "what it says"), mail("newer", key="2")])

    assert page.index("newer") < page.index("older")
    assert 'href="/mails/2"' in page
    assert "what it says" not in page


def test_an_open_mail_leads_to_those_before_and_after_it() -> None:
    mails = [mail(f"mail {key}", key=key) for key in ("1", "2", "3")]
    first, middle, last = (render_mail(mails, key) or "" for key in ("3", "2", "1"))

    assert 'rel="prev" href="/mails/3"' in middle and 'rel="next" href="/mails/1"' in middle
    assert 'rel="prev"' not in first and 'rel="next"' not in last
    assert 'href="/mails/2" aria-current="page"' in middle
    assert middle.count('aria-current="page"') == 1


@pytest.mark.parametrize("place", [0, 1, 20, 38, 39])
def test_beside_an_open_mail_are_a_dozen_others(place: int) -> None:
    page = render_mail([mail("a", key=str(key)) for key in range(40)], str(place)) or ""

    assert page.count("<li>") == 13
    assert f'href="/mails/{place}" aria-current' in page
    assert "All mails (40)" in page


def test_tables_keep_their_columns_and_prose_is_wrapped() -> None:
    text = "One line.\nRun   a-b\n\n\nLabel  F1   images\nnormal  1  3\n \nlast"

    assert [(str(part.html), part.is_table) for part in paragraphs(text)] == [
        ("One line.\nRun   a-b", False),
        ("Label  F1   images\nnormal  1  3", True),
        ("last", False),
    ]


def test_a_mail_has_an_address_of_its_own(address: str) -> None:
    (path,) = re.findall(r'href="(/mails/\d+)"', httpx.get(address).text)
    answer = httpx.get(address + path)

    assert answer.status_code == 200
    assert '<a href="https://example.com/x" rel="noreferrer">' in answer.text


@pytest.mark.parametrize("path", ["/", "/mails/1"])
def test_nothing_of_a_page_runs_is_kept_or_framed(address: str, path: str) -> None:
    headers = httpx.get(address + path).headers

    assert headers["content-security-policy"].startswith(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline';"
    )
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/mails/", "/mails/2", "/mails/../1", "/mails/%2e%2e/x", "/1", "/mails"])
def test_other_addresses_lead_nowhere(address: str, path: str) -> None:
    assert httpx.get(httpx.URL(address, raw_path=path.encode())).status_code == 404


def test_mails_are_read_in_the_order_they_were_sent(tmp_path: Path) -> None:
    for subject in ("first", "second", ""):
        _post(tmp_path, 7, "a@example.com", "arn", subject, "https://ab.execute-api.us-east-1.amazonaws.com/x")

    mails = read_mails(tmp_path)

    assert [mail.subject for mail in mails] == ["first", "second", "AWS Notification Message"]
    assert mails[0].text == "http://127.0.0.1:7/_aws/execute-api/ab/x"
    assert read_mails(tmp_path / "missing") == []
