"""The mailbox page shows mails and trusts none of them."""

from datetime import UTC, datetime
from pathlib import Path

from local.cloud.mail import Mail, read_mails
from local.cloud.ministack_launcher import _post
from local.mailbox.page import render, with_links


def mail(subject: str, text: str) -> Mail:
    return Mail("1", datetime(2026, 1, 2, tzinfo=UTC), "a@example.com", subject, text, text)


def test_text_of_a_mail_is_escaped() -> None:
    page = render([mail("<script>a</script>", "<img src=x> & 'more'")])

    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;img src=x&gt; &amp; &#x27;more&#x27;" in page


def test_addresses_become_links_without_the_punctuation_after_them() -> None:
    assert with_links("See http://127.0.0.1:1/a?b=1&c=2, or (https://example.com/x).") == (
        'See <a href="http://127.0.0.1:1/a?b=1&amp;c=2" rel="noreferrer">http://127.0.0.1:1/a?b=1&amp;c=2</a>, '
        'or (<a href="https://example.com/x" rel="noreferrer">https://example.com/x</a>).'
    )


def test_other_schemes_and_quotes_do_not_become_links() -> None:
    assert "<a" not in with_links("javascript:alert(1) file:///etc/passwd")
    assert with_links('http://x/"onclick=').startswith('<a href="http://x/" rel="noreferrer">http://x/</a>&quot;')


def test_newest_mail_comes_first() -> None:
    page = render([mail("older", ""), mail("newer", "")])

    assert page.index("newer") < page.index("older")


def test_mails_are_read_in_the_order_they_were_sent(tmp_path: Path) -> None:
    for subject in ("first", "second", ""):
        _post(tmp_path, 7, "a@example.com", "arn", subject, "https://ab.execute-api.us-east-1.amazonaws.com/x")

    mails = read_mails(tmp_path)

    assert [mail.subject for mail in mails] == ["first", "second", "AWS Notification Message"]
    assert mails[0].text == "http://127.0.0.1:7/_aws/execute-api/ab/x"
    assert read_mails(tmp_path / "missing") == []
