"""The bytes of what is uploaded. The same bytes always look the same: each is looked at once for all histories."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from mlops.pictures import looking, pixels, preparing, statistics
from mlops.reading import gallery
from mlops.stages import choosing, ground_truth, ingest, inspect, report
from tests.simulation.cloud import DEFECT, SIZE, shown_by
from tests.simulation.plans import BROKEN_SETTINGS, DEEP, DEEPER, MANIFEST, MASK, NO_PICTURE, SETTINGS

_LISTED = 9


@cache
def bytes_of(content: int) -> bytes:
    """The bytes of an upload, by its number."""
    match content:
        case _ if content == NO_PICTURE:
            return b"no picture"
        case _ if content == SETTINGS:
            return b'{"split": "folders"}'
        case _ if content == BROKEN_SETTINGS:
            return b'{"split": nonsense'
        case _ if content == MASK:
            left, top, width, height = DEFECT
            mask = Image.new("L", SIZE)
            mask.paste(255, (left, top, left + width, top + height))
            return _as_png(mask)
        case _ if content == MANIFEST:
            told = {"class-name": shown_by(bytes_of(_LISTED)), "type": "groundtruth/image-classification"}
            line = {"source-ref": f"images/{_LISTED}.png", "label": 0, "label-metadata": {**told, "confidence": 1}}
            return f"{json.dumps(line)}\n".encode()
        case _ if content in (DEEP, DEEPER):
            # Sixteen bits, of which one picture uses ten and the other fourteen.
            shades = np.random.default_rng(-content).integers(0, 1000 if content == DEEP else 16000, SIZE[::-1])
            return _as_png(Image.fromarray(shades.astype(np.uint16)))
    drawn = np.random.default_rng(content).integers(0, 255, (9, 10, 3), np.uint8)
    return _as_png(Image.fromarray(drawn).resize(SIZE, Image.Resampling.NEAREST))


def _as_png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


@dataclass(frozen=True)
class _Opened:
    """A picture that was opened, by its bytes."""

    data: bytes


@contextmanager
def looked_at_once() -> Iterator[None]:
    """Pictures and pages are drawn from what was read; what they look like decides nothing."""
    with ExitStack() as patches:
        for module, name, by in _SHORTER:
            patches.enter_context(patch.object(module, name, by))
        yield


_prepare = lru_cache(maxsize=2000)(preparing.prepare)
_SHORTER: tuple[tuple[Any, str, Any], ...] = (
    (ingest, "look", lru_cache(maxsize=2000)(looking.look)),
    (inspect, "prepare", _prepare),
    (inspect, "prepare_with_pixels", lambda data, **options: (_prepare(data, **options), None)),
    (choosing, "prepare", _prepare),
    (inspect, "open_picture", _Opened),
    (inspect, "looks_of", lru_cache(maxsize=2000)(lambda it: statistics.looks_of(pixels.open_picture(it.data)))),
    (inspect, "statistics_of", lru_cache(maxsize=2000)(lambda it: statistics.measure(it.data))),
    (inspect, "_drawn", lambda *_: b"drawn"),
    (ground_truth, "write_overlays", lambda *_: {}),
    (gallery, "_drawn", lambda *_: b"drawn"),
    (report, "encoded", lambda name, **_: name.encode()),
)
