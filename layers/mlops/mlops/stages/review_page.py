"""The page of reviews behind its link: GET shows how many wait, POST answers and shows the next picture."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from mlops.aws import buckets
from mlops.dataset.keys import drift_key, drift_picture_key
from mlops.judging.choosing import WHY
from mlops.reading import pages, production
from mlops.records.reviews import Review
from mlops.stages import approval, review
from mlops.stages.review import AnswerRefused, Form, Turn

SCRIPT = "/review.js"
_SECONDS = 900


def respond(event: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one HTTP API request (payload format 2.0)."""
    http = event["requestContext"]["http"]
    if event.get("rawPath", http.get("path", "")).endswith(SCRIPT):
        return _script()
    if http["method"] == "POST":
        return _take_turn(_form(event))
    return _begin((event.get("queryStringParameters") or {}).get("token", ""))


def _begin(token: str, problem: str = "", reviewer: str = "") -> dict[str, Any]:
    link = review.find(token)
    if link is None:
        return _page(404, "review_unknown.html")
    return _page(
        400 if problem else 200,
        "review_begin.html",
        token=token,
        dataset=link.dataset,
        waiting=review.waiting(link.dataset),
        expires=approval.expiry_text(link.expires_at),
        production=production.of(link.dataset).lines(),
        drift=_drift(link.dataset),
        problem=problem,
        reviewer=reviewer,
    )


def _drift(dataset: str) -> dict[str, Any]:
    """What has drifted, in a line each, and a link to the picture of it; nothing where nothing has."""
    text = buckets.artifacts_bucket().read_if_exists(drift_key(dataset))
    told = json.loads(text) if text else {"measures": ()}
    measures = [one for one in told["measures"] if one["has_drifted"]]
    picture = buckets.artifacts_bucket().link(drift_picture_key(dataset), _SECONDS)
    return {"measures": measures, "looked_at": told["looked_at"], "picture": picture} if measures else {}


def _take_turn(form: Form) -> dict[str, Any]:
    try:
        turn = review.take_turn(form)
    except AnswerRefused as refusal:
        return _begin(form.token, str(refusal), form.reviewer)
    except LookupError:
        return _page(404, "review_unknown.html")
    given: dict[str, Any] = {"token": form.token, "turn": turn, "dataset": turn.link.dataset}
    if turn.review is None:
        return _page(200, "review_done.html", **given)
    return _page(400 if turn.problem else 200, "review.html", **given, **_shown(turn, turn.review))


def _shown(turn: Turn, shown: Review) -> dict[str, Any]:
    boxes = review.boxes_of(shown)
    picture = buckets.artifacts_bucket().link(shown.picture, _SECONDS)
    return {
        "review": shown,
        "picture": picture,
        "small": buckets.artifacts_bucket().link(shown.small, _SECONDS) if shown.small else picture,
        "why": [WHY[reason] for reason in shown.reasons],
        "says": review.says(shown),
        "labels": review.labels_of(shown),
        "boxes": boxes,
        "plain_boxes": [
            {"label": one.label, **{name: getattr(one.box, name) for name in ("left", "top", "width", "height")}}
            for one in boxes
        ],
        "answered": review.told(shown.answer) if shown.revision else "",
        "waiting": review.waiting(turn.link.dataset),
    }


def _form(event: Mapping[str, Any]) -> Form:
    fields = pages.fields_of(event)
    plain = {name: fields.get(name, [""])[0] for name in ("token", "answer", "reviewer", "session", "review")}
    return Form(
        **plain,
        revision=_number(fields.get("revision", ["0"])[0]),
        trail=tuple(name for name in fields.get("trail", [""])[0].split(",") if name),
        new_label=fields.get("new_label", [""])[0],
        boxes=fields.get("boxes", [""])[0],
        keep=tuple(_number(place) for place in fields.get("keep", ())),
    )


def _page(status: int, template: str, **values: Any) -> dict[str, Any]:
    return pages.page(status, template, has_script=True, **values)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


@cache
def _text_of_script() -> str:
    return resources.files("mlops.reading").joinpath("templates", "review.js").read_text(encoding="utf-8")


def _script() -> dict[str, Any]:
    # The same for everybody; it is asked for anew after an update of the stack.
    headers = {**pages.HEADERS, "Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "max-age=600"}
    return {"statusCode": 200, "headers": headers, "body": _text_of_script()}
