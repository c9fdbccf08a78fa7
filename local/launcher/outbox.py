"""E-mails that SNS would send, as files."""

import json
import re
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def install_outbox(folder: Path, port: int) -> None:
    """Write each e-mail that SNS would send as one JSON file, with its message also with links to this machine."""
    from ministack.services import sns

    fan_out = sns._fanout
    folder.mkdir(parents=True, exist_ok=True)

    def fan_out_with_mail(
        topic_arn: str,
        message_id: str,
        message: str,
        subject: str,
        message_structure: str = "",
        message_attributes: dict[str, Any] | None = None,
        *rest: Any,
        **options: Any,
    ) -> None:
        fan_out(topic_arn, message_id, message, subject, message_structure, message_attributes, *rest, **options)
        body = sns._resolve_message_for_protocol(message, message_structure, "email")
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
        for subscription in topic["subscriptions"]:
            wanted = subscription.get("confirmed") and subscription.get("protocol") in ("email", "email-json")
            if wanted and sns._matches_filter_policy(subscription, message_attributes or {}, body):
                _post(folder, port, subscription["endpoint"], topic_arn, subject, body)

    sns._fanout = fan_out_with_mail


def _post(folder: Path, port: int, recipient: str, topic_arn: str, subject: str, message: str) -> None:
    mail = {
        "sent_at": datetime.now(UTC).isoformat(),
        "to": recipient,
        "topic_arn": topic_arn,
        "subject": subject or "AWS Notification Message",
        "message": message,
        "local_message": with_local_links(message, port),
    }
    staging = Path(tempfile.mkstemp(dir=folder, prefix=".")[1])
    staging.write_text(json.dumps(mail, ensure_ascii=False, indent=1), encoding="utf-8")
    staging.rename(folder / f"{time.time_ns()}.json")  # readers only ever see whole mails


def with_local_links(text: str, port: int) -> str:
    """`text` with the addresses of HTTP APIs and function URLs replaced by those of this machine."""
    local = f"http://127.0.0.1:{port}/_aws"
    text = re.sub(r"https://([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com", rf"{local}/execute-api/\1", text)
    return re.sub(r"https://([a-z0-9]+)\.lambda-url\.[a-z0-9-]+\.on\.aws", rf"{local}/lambda-url/\1", text)
