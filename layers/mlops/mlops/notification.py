"""Failures and releases reach a person by e-mail."""

import json
from collections.abc import Mapping
from typing import Any

from mlops import aws, mails, table


def notify(event: Mapping[str, Any]) -> None:
    detail = event["detail"]
    if event["detail-type"] == "Model Released":
        current = table.get(f"RELEASE#{detail['task']}#{detail['environment']}", "CURRENT") or {}
        aws.send_mail(*mails.release_mail(detail, current))
    else:
        aws.send_mail(*mails.failure_mail(detail, aws.setting("ARTIFACTS_BUCKET")))


def cause_of(event: Mapping[str, Any]) -> str:
    """One e-mail for one outcome, however often its event comes."""
    return f"{event['detail-type']}@{json.dumps(event['detail'], sort_keys=True)}"
