"""The page of reviews behind its link: GET shows how many wait, POST answers and shows the next picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from mlops.aws import buckets
from mlops.codec import Json
from mlops.dataset.keys import drift_picture_key
from mlops.judging.choosing import WHY
from mlops.reading import pages, production
from mlops.reading.pages import Page, Request
from mlops.records import drifts
from mlops.records.drifts import Drifting
from mlops.records.reviews import Review
from mlops.stages import approval, review
from mlops.stages.review import AnswerRefused, Form, Turn

SCRIPT = "/review.js"
_SECONDS = 900


def respond(event: Json) -> Page:
    """Answer one HTTP API request (payload format 2.0)."""
    request = Request.of(event)
    if request.path.endswith(SCRIPT):
        return _script()
    if request.method == "POST":
        return _take_turn(_form(request))
    return _begin(request.token)


def _begin(token: str, problem: str = "", reviewer: str = "") -> Page:
    link = review.find(token)
    if link is None:
        return _page(404, "review_unknown.html", {})
    return _page(
        400 if problem else 200,
        "review_begin.html",
        {
            "token": token,
            "dataset": link.dataset,
            "waiting": review.waiting(link.dataset),
            "expires": approval.expiry_text(link.expires_at),
            "production": production.of(link.dataset).lines(),
            "drift": _drift(link.dataset),
            "problem": problem,
            "reviewer": reviewer,
        },
    )


@dataclass(frozen=True)
class _Drift:
    """What has drifted, when that was found, and a link to the picture of it."""

    measures: Sequence[Drifting]
    looked_at: str
    picture: str


def _drift(dataset: str) -> _Drift | None:
    known = drifts.find(dataset)
    if known is None or not known.drifted:
        return None
    picture = buckets.artifacts_bucket().link(drift_picture_key(dataset), _SECONDS)
    return _Drift(known.drifted, known.looked_at, picture)


def _take_turn(form: Form) -> Page:
    try:
        turn = review.take_turn(form)
    except AnswerRefused as refusal:
        return _begin(form.token, str(refusal), form.reviewer)
    except LookupError:
        return _page(404, "review_unknown.html", {})
    given = {"token": form.token, "turn": turn, "dataset": turn.link.dataset}
    if turn.review is None:
        return _page(200, "review_done.html", given)
    return _page(400 if turn.problem else 200, "review.html", {**given, **_shown(turn, turn.review)})


def _shown(turn: Turn, shown: Review) -> dict[str, object]:
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


def _form(request: Request) -> Form:
    return Form(
        token=request.field("token"),
        answer=request.field("answer"),
        reviewer=request.field("reviewer"),
        session=request.field("session"),
        review=request.field("review"),
        revision=_number(request.field("revision", "0")),
        trail=tuple(name for name in request.field("trail").split(",") if name),
        new_label=request.field("new_label"),
        boxes=request.field("boxes"),
        keep=tuple(_number(place) for place in request.fields.get("keep", ())),
    )


def _page(status: int, template: str, values: Mapping[str, object]) -> Page:
    return pages.page(status, template, values, has_script=True)


def _number(text: str) -> int:
    # Anybody may send a form: int() takes other digits, too, and ages for a million of them.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


@cache
def _text_of_script() -> str:
    return resources.files("mlops.reading").joinpath("templates", "review.js").read_text(encoding="utf-8")


def _script() -> Page:
    # The same for everybody; it is asked for anew after an update of the stack.
    headers = {**pages.HEADERS, "Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "max-age=600"}
    return {"statusCode": 200, "headers": headers, "body": _text_of_script()}
