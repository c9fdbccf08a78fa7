"""A folder of labelled pictures on its way into the data bucket: checked first, resumed where it was interrupted."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.keys import MASK_ENDING, KeyRefused, Upload, dataset_prefix, parse_upload, settings_key, stem_of
from mlops.limits import MAX_BYTES
from mlops.pixels import PictureRefused, inspect, open_picture

PARALLEL = 8
# What data sets bring along beside their pictures.
_COMPANIONS = {".txt", ".md", ".pdf"}
Advance = Callable[[], object]


@dataclass(frozen=True)
class Plan:
    """What is to be sent, by key, and what is wrong, by file."""

    dataset: str
    files: Mapping[str, Path]
    problems: Mapping[str, str]


def plan(folder: Path, dataset: str) -> Plan:
    """Find what a folder has for the bucket: the layout of this system, which is that of MVTec AD, too."""
    files, problems = dict[str, Path](), dict[str, str]()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in name.parts):
            continue
        if len(name.parts) == 1 and path.suffix.lower() in _COMPANIONS:
            continue
        try:
            files[parse_upload(f"{dataset_prefix(dataset)}{name.as_posix()}").key] = path
        except KeyRefused as refusal:
            problems[name.as_posix()] = str(refusal)
    return Plan(dataset, files, problems)


def checked(given: Plan, advance: Advance = lambda: None) -> Plan:
    """Look into every file; those that the system would refuse move to the problems."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        results = pool.map(lambda item: _fault(item[0], item[1], advance), given.files.items())
        faults = {key: fault for key, fault in zip(given.files, results, strict=True) if fault}
    faults |= _lonely_masks(given, faults)
    prefix = dataset_prefix(given.dataset)
    problems = {**given.problems, **{key.removeprefix(prefix): fault for key, fault in faults.items()}}
    return Plan(given.dataset, {key: path for key, path in given.files.items() if key not in faults}, problems)


def _fault(key: str, path: Path, advance: Advance) -> str:
    upload = parse_upload(key)
    try:
        if path.stat().st_size > MAX_BYTES:
            return f"has {path.stat().st_size} bytes; at most {MAX_BYTES} are allowed"
        if upload.kind == "image":
            inspect(path.read_bytes())
        elif upload.kind == "mask":
            open_picture(path.read_bytes(), ("PNG",))
    except PictureRefused as refusal:
        return str(refusal)
    finally:
        advance()
    return ""


def _lonely_masks(given: Plan, faults: Mapping[str, str]) -> dict[str, str]:
    uploads = [parse_upload(key) for key in given.files if key not in faults]
    images = {(upload.label, stem_of(upload.key)) for upload in uploads if upload.kind == "image"}
    masks = (upload for upload in uploads if upload.kind == "mask")
    return {mask.key: _lonely(mask) for mask in masks if (mask.label, stem_of(mask.key, MASK_ENDING)) not in images}


def _lonely(mask: Upload) -> str:
    return f"marks an image that is not there: <split>/{mask.label}/{stem_of(mask.key, MASK_ENDING)}.png or .jpg"


def missing(s3: Any, bucket: str, given: Plan) -> list[str]:
    """The keys that are not in the bucket with the same bytes. Its objects' etags are MD5 sums: it uses SSE-S3."""
    there = dict(_etags(s3, bucket, dataset_prefix(given.dataset)))
    return [key for key, path in given.files.items() if there.get(key) != _md5(path)]


def _etags(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from ((entry["Key"], entry["ETag"].strip('"')) for entry in page.get("Contents", ()))


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def send(s3: Any, bucket: str, given: Plan, keys: list[str], advance: Advance = lambda: None) -> None:
    """Send files; dataset.json goes last, for it says that the dataset is complete."""
    settings = settings_key(given.dataset)

    def put(key: str) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=given.files[key].read_bytes())
        advance()

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(put, (key for key in keys if key != settings)))
    if settings in keys:
        put(settings)
