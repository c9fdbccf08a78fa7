"""The e-mails that SNS would have sent, read from the outbox folder."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Mail:
    """One e-mail. `text` is the message with links that work on this machine, `message` the message as sent."""

    key: str
    sent_at: datetime
    to: str
    subject: str
    message: str
    text: str


def read_mails(outbox: Path) -> list[Mail]:
    """All mails, oldest first; none when the folder does not exist yet."""
    return [_read(path) for path in sorted(outbox.glob("[0-9]*.json"))]


def _read(path: Path) -> Mail:
    content = json.loads(path.read_text(encoding="utf-8"))
    return Mail(
        key=path.stem,
        sent_at=datetime.fromisoformat(content["sent_at"]),
        to=content["to"],
        subject=content["subject"],
        message=content["message"],
        text=content["local_message"],
    )
