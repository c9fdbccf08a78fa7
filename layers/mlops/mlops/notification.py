"""Failures, releases and models that had to be stopped or were deleted reach a person by e-mail."""

import json
from collections.abc import Mapping
from typing import Any

from mlops import aws, keeping, mails, releases


def notify(event: Mapping[str, Any]) -> None:
    detail = event["detail"]
    if event["detail-type"] == "Models Swept":
        aws.send_mail(*mails.sweep_mail(detail["version_arns"], aws.json_setting("PRICES")["running"]))
    elif event["detail-type"] == "Models Deleted":
        aws.send_mail(*mails.pruning_mail(detail["version_arns"]))
    elif event["detail-type"] == "Model Released":
        place = (detail["dataset"], detail["task"], detail["environment"])
        lacks_room = keeping.is_wanted(detail["environment"]) and not detail["is_running"]
        no_room = aws.setting("RUNNING_MODELS") if lacks_room else ""
        facts = {"parameter": releases.parameter(*place), "no_room": no_room}
        aws.send_mail(*mails.release_mail(detail, releases.current(*place) or {}, **facts))
    else:
        aws.send_mail(*mails.failure_mail(detail, aws.setting("ARTIFACTS_BUCKET")))


def cause_of(event: Mapping[str, Any]) -> str:
    """One e-mail for one outcome, however often its event comes."""
    return f"{event['detail-type']}@{json.dumps(event['detail'], sort_keys=True)}"
