"""DetectCustomLabels about one picture: patient with a model that is busy for a moment, up to a deadline.

Tests and inspections ask by `look`, so what passes by itself is written once, and a version is asked about new pictures
as it was in its tests: about the whole, or about every tile.
"""

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mlops import stack
from mlops.aws import clients
from mlops.codec import Json
from mlops.dataset.boxes import LabeledBox
from mlops.dataset.limits import MAX_BOXES
from mlops.dataset.tiles import Tile, merged, tiles_of
from mlops.judging.answers import Said, said_in
from mlops.pictures.pixels import open_picture
from mlops.pictures.tiling import tile_file

# So long whoever asks a model that was just started, and has no deadline of its own, is patient.
PATIENCE_SECONDS = 60.0
_THROTTLES = ("ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException")
_PASSING = (*_THROTTLES, "InternalServerError", "ServiceUnavailableException")
_NOT_READY, _UNKNOWN = "ResourceNotReadyException", "ResourceNotFoundException"
_MOST_PAUSE_SECONDS = 5.0
# One inference unit serves a few calls a second; more in flight would only be throttled.
CALLS_AT_ONCE = 3
# Tiles are put together by all that was found in them, as in the test: what counts is decided about the picture.
EVERYTHING = {"MinConfidence": 0, "MaxResults": MAX_BOXES}


class NotRunning(Exception):  # noqa: N818  - it may run in a moment: no fault
    """The version does not run, or not any more."""


@dataclass(frozen=True)
class Reply:
    """The `CustomLabels` of an answer, and how long the call took that was answered, without waits before it."""

    labels: tuple[Json, ...]
    milliseconds: float


@dataclass(frozen=True)
class Whole:
    """A picture that a version is shown in one call: the parameter `Image`, `{"Bytes": ...}` or `{"S3Object": ...}`,
    and its size in pixels."""

    shown: Json
    width: int
    height: int


@dataclass(frozen=True)
class InTiles:
    """A prepared picture, the bytes of its file, that a version is shown in tiles of `side` pixels, some at once."""

    data: bytes
    side: int
    at_once: int = CALLS_AT_ONCE


@dataclass(frozen=True)
class Heard:
    """What was said of a picture, boxes in its pixels, and for how long the model was busy with it, in all calls."""

    said: tuple[Said, ...]
    milliseconds: float


def look(
    client: Any,
    version_arn: str,
    picture: Whole | InTiles,
    least: Mapping[str, float],
    deadline: float,
    *,
    just_started: bool = False,
) -> Heard:
    """What a version says of a picture, as `ask` says it; raises what `ask` raises, and PictureRefused."""
    ask_about = partial(ask, client, version_arn, least=least, deadline=deadline, just_started=just_started)
    if isinstance(picture, Whole):
        reply = ask_about(picture.shown)
        return Heard(said_in(reply.labels, picture), reply.milliseconds)
    image = open_picture(picture.data)

    def ask_about_tile(tile: Tile) -> Reply:
        return ask_about({"Bytes": tile_file(image, tile)})

    tiles = tiles_of(*image.size, picture.side)
    with ThreadPoolExecutor(picture.at_once) as pool:
        replies = list(pool.map(ask_about_tile, tiles))
    found = [(tile, _boxes(reply, tile)) for tile, reply in zip(tiles, replies, strict=True)]
    said = tuple(Said(one.label, one.confidence, one.box) for one in merged(found))
    return Heard(said, round(sum(reply.milliseconds for reply in replies), 1))


def _boxes(reply: Reply, tile: Tile) -> list[LabeledBox]:
    """The boxes of an answer about a tile, in its pixels, with confidences of 0 to 100."""
    return [LabeledBox(one.label, one.box, one.confidence) for one in said_in(reply.labels, tile) if one.box]


def ask(
    client: Any,
    version_arn: str,
    shown: Json,
    least: Mapping[str, float],
    deadline: float,
    *,
    just_started: bool = False,
) -> Reply:
    """What a version says of a picture.

    `client` is the one of the version's account, `shown` the parameter `Image`: `{"Bytes": ...}` or
    `{"S3Object": ...}`; `least` are the parameters that say what is asked for: `MinConfidence` (0 to 100),
    `MaxResults`, or nothing for the service's own thresholds. Throttling, faults inside of the service and of the
    network are tried again until `deadline`, a time of the stack's monotonic clock; then the last of them is raised, a
    ClientError or a BotoCoreError. There is always one try. A version that was `just_started` may not be ready for a
    moment, which passes, too.

    Raises NotRunning (its cause is the ClientError) when the version does not run; ClientError when the service refuses
    the picture.
    """
    clock = stack.here().clock
    for attempt in count():
        began = clock.monotonic()
        try:
            answer = client.detect_custom_labels(ProjectVersionArn=version_arn, Image=dict(shown), **least)
        except ClientError as error:
            code = clients.code_of(error)
            is_passing = code in _PASSING or (just_started and code == _NOT_READY)
            if not is_passing and code in (_NOT_READY, _UNKNOWN):
                raise NotRunning(version_arn) from error
            if not is_passing:
                raise
            _pause(attempt, deadline, error)
        except BotoCoreError as error:
            _pause(attempt, deadline, error)
        else:
            return Reply(tuple(answer["CustomLabels"]), round((clock.monotonic() - began) * 1000, 1))
    raise AssertionError("unreachable: only answers and errors end the loop")


def _pause(attempt: int, deadline: float, error: Exception) -> None:
    """Wait before the next try, longer every time; no try begins behind the deadline."""
    # Partly by chance: calls that were throttled together would else come back together.
    seconds = min(0.2 * 2**attempt, _MOST_PAUSE_SECONDS) * random.uniform(0.5, 1)
    if stack.here().clock.monotonic() + seconds > deadline:
        raise error
    stack.here().clock.sleep(seconds)
