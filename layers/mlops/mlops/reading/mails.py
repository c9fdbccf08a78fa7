"""The e-mails: subject and plain text. Labels come from file names: control characters are taken out."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from mlops import arns, words
from mlops.dataset.keys import run_key
from mlops.events import InspectionDayReported, ModelReleased, PipelineStageFailed, ServingRefused
from mlops.judging.verdicts import DEFECT
from mlops.reading.evidence import Evidence
from mlops.reading.rendering import render
from mlops.records.releases import Release
from mlops.stage import StageRef

# A mail is all that many people see of the system: each says what to do.
_NEXT_STEP = {
    "ground_truth": "Correct dataset.json, the folders or the masks; the next upload starts a new run.",
    "data_prepare": "Correct the named files in the data bucket; the next upload starts a new run.",
    "training": "Read the details in the artifacts bucket. Change the pictures, or delete the failed project version "
    "and copy training_input.json onto itself to train again.",
    "eval_metric": "Look at the numbers in eval_metric.json. Add or correct pictures of the labels named above, "
    "or change the thresholds of the stack for the next run.",
    "inference_test": "Look at the answers in inference_test.json. Add or correct pictures of the labels that are "
    "confused, and look at the gallery beside it. The model has been stopped.",
    "approve2staging": "Nothing was promoted. The model stays in development; a new upload starts a new run.",
    "approve2production": "Nothing was promoted. Production stays as it is; a new upload starts a new run.",
    "rollback": "Nothing was changed. `mlops releases` lists what was released before.",
}


def approval_mail(ref: StageRef, evidence: Evidence, **terms: Any) -> tuple[str, str]:
    """`terms` are the link, where from and to, whether it stays running there, what to type, when the link expires, and
    what is true in production now."""
    text = render("approval.txt", ref=ref, **terms, **evidence.by_name())
    short = f"Approve for {terms['target']}? {ref.run_id}"
    subject = words.subject(f"Approve {ref.dataset} {ref.task} for {terms['target']}? {ref.run_id}", short)
    return subject, _fitting(text, evidence.bucket, ref.run_id)


def failure_mail(failed: PipelineStageFailed, bucket: str) -> tuple[str, str]:
    """A stage that failed: why, and what to do."""
    text = render("failed.txt", detail=failed, bucket=bucket, next_step=next_step(failed.stage))
    subject = words.subject(f"FAILED: {failed.stage} of {failed.run_id}")
    return subject, _fitting(text, bucket, failed.run_id)


def release_mail(released: ModelReleased, release: Release | None, **facts: Any) -> tuple[str, str]:
    """`facts` are the SSM parameter, and how many models may run where that is why this one does not."""
    text = render("released.txt", detail=released, release=release, **facts)
    return words.subject(f"Released to {released.environment}: {released.run_id}"), plain(text)


def sweep_mail(version_arns: Sequence[str], usd_an_hour: float) -> tuple[str, str]:
    """Models that ran although nobody might use them, and were stopped."""
    text = render("swept.txt", version_arns=version_arns, usd_an_hour=usd_an_hour)
    return f"Stopped: {len(version_arns)} model{'s'[: len(version_arns) > 1]} that nobody needed", plain(text)


def refused_mail(refused: ServingRefused) -> tuple[str, str]:
    """Pictures wait, and no model is started for them."""
    text = render("refused.txt", detail=refused)
    return words.subject(f"NOT STARTED: {refused.waiting} of {refused.dataset} wait"), plain(text)


def day_mail(reported: InspectionDayReported, bucket: str) -> tuple[str, str]:
    """What a day's new pictures were judged to be, and where its report is."""
    pictures, defective = sum(reported.counts.values()), reported.counts.get(DEFECT, 0)
    said = f"{defective} of {words.counted(pictures, 'picture')} defective"
    subject = words.subject(f"{reported.day}: {said}, {reported.dataset}", f"{reported.day}: {said}")
    return subject, plain(render("day.txt", detail=reported, pictures=pictures, bucket=bucket))


def pruning_mail(version_arns: Sequence[str]) -> tuple[str, str]:
    """Models of one project that were never released and were deleted to make room."""
    text = render("pruned.txt", version_arns=version_arns, project=arns.project_name(version_arns[0]))
    verb = "was" if len(version_arns) == 1 else "were"
    return f"Deleted: {words.counted(len(version_arns), 'model')} that {verb} never released", plain(text)


def reviews_mail(dataset: str, **facts: Any) -> tuple[str, str]:
    """`facts` are how many reviews wait and why, the link and when it expires, what is true in production, and after
    how many answers models are trained anew."""
    waiting = words.counted(facts["waiting"], "picture")
    subject = words.subject(f"{waiting} of {dataset} to look at", f"{waiting} to look at: {dataset}")
    return subject, plain(render("reviews.txt", dataset=dataset, **facts))


def drift_mail(dataset: str, **facts: Any) -> tuple[str, str]:
    """`facts` are the measures that drifted, the pictures that differ most, some that they should look like, and a link
    that shows both, with when it expires."""
    text = render("drift.txt", dataset=dataset, **facts)
    return words.subject(f"Drift: {dataset} looks different"), words.fitting_mail(plain(text), "mlops drift")


def _fitting(text: str, bucket: str, run_id: str) -> str:
    return words.fitting_mail(plain(text), f"s3://{bucket}/{run_key(run_id, '')} has the report, and everything else.")


def next_step(stage: str) -> str:
    """What to do when a stage has failed."""
    return _NEXT_STEP.get(stage, "Read the function's log.")


def plain(text: str) -> str:
    """Text without control and direction-changing characters, line breaks kept."""
    # Most are, and this is some hundred times as fast as looking at each.
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
