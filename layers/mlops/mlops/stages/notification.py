"""Failures, releases and models that had to be stopped or were deleted reach a person by e-mail."""

import json

from mlops import stack
from mlops.aws import messages
from mlops.codec import Json
from mlops.events import (
    KINDS,
    DriftFound,
    Event,
    InspectionDayReported,
    ModelReleased,
    ModelsDeleted,
    ModelsSwept,
    PipelineStageFailed,
    ServingRefused,
)
from mlops.reading import mails
from mlops.records import drifts, releases, review_links
from mlops.records.drifts import Drift
from mlops.stages import approval


def notify(event: Json) -> None:
    """Send the e-mail that an event calls for."""
    messages.send_mail(*_mail(KINDS[event["detail-type"]].of(event["detail"])))


def _mail(event: Event) -> tuple[str, str]:
    match event:
        case ModelsSwept():
            return mails.sweep_mail(event.version_arns, stack.here().price_of("running"))
        case ServingRefused():
            return mails.refused_mail(event)
        case InspectionDayReported():
            return mails.day_mail(event, stack.here().artifacts_bucket)
        case DriftFound():
            return _drift(event)
        case ModelsDeleted():
            return mails.pruning_mail(event.version_arns)
        case ModelReleased():
            place = (event.dataset, event.task, event.environment)
            lacks_room = stack.here().is_wanted(event.environment) and not event.is_running
            no_room = str(stack.here().running_models) if lacks_room else ""
            facts = {"parameter": releases.parameter(*place), "no_room": no_room}
            return mails.release_mail(event, releases.current(*place), **facts)
        case PipelineStageFailed():
            return mails.failure_mail(event, stack.here().artifacts_bucket)
        case _:
            raise ValueError(f"nobody is told of {event.detail_type!r}")


def _drift(found: DriftFound) -> tuple[str, str]:
    """The numbers are those of the last look, whatever an event says; the pictures are behind a link to the reviews."""
    told = drifts.find(found.dataset) or Drift(found.dataset)
    token = stack.here().new_token()
    link = review_links.begin(found.dataset, token, stack.here().approval_days)
    return mails.drift_mail(
        found.dataset,
        measures=told.drifted,
        farthest=told.farthest,
        usual=told.usual,
        link=f"{stack.here().review_url}?token={token}",
        expires=approval.expiry_text(link.expires_at),
    )


def cause_of(event: Json) -> str:
    """One e-mail for one outcome, however often its event comes."""
    # By its content and not by its id: a stage that died puts the same event again, with another id.
    detail = event["detail"]
    # Two rounds at the same moment both tell; each counts by itself what waits, and looks at the clock.
    if event["detail-type"] == ServingRefused.detail_type and detail.get("since"):
        detail = {name: detail[name] for name in ("dataset", "reasons", "since")}
    return f"{event['detail-type']}@{json.dumps(detail, sort_keys=True)}"
