"""A running model: what is in memory, its thresholds, and the calls it takes."""

import asyncio
import hashlib
import importlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from local.rekognition.access.throttle import TokenBucket
from local.rekognition.boxes import Box
from local.rekognition.errors import ServiceError, invalid_parameter
from local.rekognition.learning.kinds import KINDS, Kind
from local.rekognition.learning.models import Found
from local.rekognition.manifests.images import (
    ImageTooLargeError,
    ImageTooSmallError,
    UnsupportedFormatError,
    check_image,
)
from local.rekognition.use_case import UseCase


class Answers:
    """What models found in the last pictures. A copy of a model says of the same bytes what the original said.

    A version goes through three environments, and each tests it with the same pictures.
    """

    def __init__(self, most: int = 5000) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, bytes], list[Found]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, model: str, image: bytes, look: Callable[[], list[Found]]) -> list[Found]:
        """What a model, named by the digest of its files, found in a picture; it is asked to `look` at a new one."""
        key = model, hashlib.sha256(image).digest()
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = look()
        with self._lock:
            self._known[key] = found
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return found


@dataclass(frozen=True)
class RunningModel:
    """A model that answers.

    It has a thread of its own: one call at a time, because an engine need not be thread-safe, and calls that wait for
    one model take nothing from the others. The thread ends when the model is forgotten.
    """

    kind: Kind
    model: Any
    thresholds: Mapping[str, float]
    capacity: TokenBucket
    decode: Any
    digest: str
    answers: Answers
    thread: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, max_workers=1))

    async def find(self, image: bytes) -> list[Found]:
        """Return all that the model finds in a picture. Raises ServiceError for one that the service refuses."""
        look = partial(self._look, image)
        find = partial(self.answers.find, self.digest, image, look)
        return await asyncio.get_running_loop().run_in_executor(self.thread, find)

    def _look(self, image: bytes) -> list[Found]:
        try:
            check_image(image)
            self.decode(image)
        except ImageTooLargeError as error:
            raise ServiceError("ImageTooLargeException", f"Image size is too large. {error}") from error
        except ImageTooSmallError as error:
            raise invalid_parameter(f"Request has invalid parameters. {error}") from error
        except UnsupportedFormatError as error:
            raise _invalid_format(str(error)) from error
        except ValueError as error:  # of the engine, whose sentence may be that of any library
            raise _invalid_format("The image is damaged: it cannot be decoded.") from error
        return self.kind.find(self.model, image)


def _invalid_format(detail: str) -> ServiceError:
    return ServiceError("InvalidImageFormatException", f"Request has invalid image format. {detail}")


def load_model(
    engine_name: str,
    use_case: UseCase,
    path: Path,
    thresholds: Mapping[str, float],
    capacity: TokenBucket,
    answers: Answers,
) -> RunningModel:
    """Load a trained model into memory; what it finds is remembered in `answers`."""
    engine: Any = importlib.import_module(engine_name)
    kind = KINDS[use_case]
    model = kind.load(engine, path)
    return RunningModel(kind, model, thresholds, capacity, engine.decode_image, _digest(path), answers)


def _digest(path: Path) -> str:
    """The SHA-256 of a file, or of all files of a folder and their names."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    told = hashlib.sha256()
    for file in files:
        told.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
        told.update(file.read_bytes())
    return told.hexdigest()


def custom_labels(
    found: Sequence[Found],
    thresholds: Mapping[str, float],
    min_confidence: float | None = None,
    max_results: int | None = None,
) -> list[dict[str, Any]]:
    """List what was found, most confident first, as DetectCustomLabels answers it; boxes have a Geometry.

    Without `min_confidence` (0 to 100) each label has its own threshold; both are inclusive.
    """
    answers: list[dict[str, Any]] = []
    for one in found:
        confidence = float(np.float32(one.score) * np.float32(100))
        accepted = one.score >= thresholds[one.label] if min_confidence is None else confidence >= min_confidence
        if accepted:
            answers.append({"Name": one.label, "Confidence": confidence, **_geometry(one.box)})
    return sorted(answers, key=lambda label: -label["Confidence"])[:max_results]


def _geometry(box: Box | None) -> dict[str, Any]:
    if box is None:
        return {}
    sides = ("Left", "Top", "Width", "Height")
    shares = {side: float(np.float32(share)) for side, share in zip(sides, astuple(box), strict=True)}
    return {"Geometry": {"BoundingBox": shares}}
