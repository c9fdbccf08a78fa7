"""A folder of labelled pictures on its way into the data bucket: checked first, resumed where it was interrupted.

What is checked is checked by the functions that the stack itself uses.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from cli.stack import CommandRefused
from mlops.dataset import datasets
from mlops.dataset.annotations import annotate
from mlops.dataset.keys import KeyRefused, annotations_key, dataset_of, dataset_prefix, parse_upload, settings_key
from mlops.dataset.object_record import ACCEPTED, REFUSED, Record, record_for
from mlops.pictures.looking import MOST_BYTES_OF_A_FILE, MaskRules, look
from mlops.words import counted, some

PARALLEL = 8
MOST_NAMED = 50
MAX_KEY_BYTES = 1024
Advance = Callable[[], object]


@dataclass(frozen=True)
class Content:
    """SHA-256 and MD5 of a file, in hexadecimal digits."""

    sha256: str
    md5: str


@dataclass(frozen=True)
class Plan:
    """What is to be sent, by key, and what is wrong, by file.

    Most files with a problem are not sent; `skipped` are those that are no content, `remarks` what is worth knowing,
    `contents` what the files hold, by key, and `tasks` what they can be trained for, once they were looked at.
    """

    dataset: str
    files: Mapping[str, Path]
    problems: Mapping[str, str]
    skipped: Sequence[str] = ()
    remarks: Sequence[str] = ()
    contents: Mapping[str, Content] = field(default_factory=dict)
    tasks: Sequence[str] = ()

    def key_of(self, name: str) -> str:
        return f"{dataset_prefix(self.dataset)}{name}"

    @property
    def has_pictures(self) -> bool:
        return any(parse_upload(key).kind == "image" for key in self.files)

    def sentences(self) -> Iterator[str]:
        """What is wrong with files, what was skipped, and what is worth knowing."""
        problems = list(self.problems.items())
        yield from (f"{name}: {problem}" for name, problem in problems[:MOST_NAMED])
        if len(problems) > MOST_NAMED:
            yield f"and {len(problems) - MOST_NAMED} more files with a problem"
        if self.skipped:
            yield f"Skipped, for they are no pictures: {some(self.skipped)}"
        yield from (f"Worth knowing: {remark}" for remark in self.remarks)


def plan(folder: Path, dataset: str) -> Plan:
    """Find what a folder has for the bucket: the layout of this system, which is that of MVTec AD, too."""
    files, problems, skipped = dict[str, Path](), dict[str, str](), list[str]()
    for path in _walk(folder, problems):
        name = path.relative_to(folder).as_posix()
        try:
            key = f"{dataset_prefix(dataset)}{name}"
            if (length := len(key.encode())) > MAX_KEY_BYTES:
                problems[name] = f"its key would have {length} bytes; at most {MAX_KEY_BYTES}: shorten its names"
            elif dataset_of(key) is None or not path.is_file():
                skipped.append(name)
            else:
                files[parse_upload(key).key] = path
        except UnicodeEncodeError:
            problems[printable(name)] = "its name is not written in UTF-8, as after unpacking a ZIP file: rename it"
        except KeyRefused as refusal:
            problems[name] = str(refusal)
    return Plan(dataset, files, problems, skipped)


def printable(name: str) -> str:
    """A name with a question mark for whatever is no text."""
    return name.encode(errors="replace").decode()


def _walk(folder: Path, problems: dict[str, str]) -> Iterator[Path]:
    """All files in order, those behind links to folders, too; folders that cannot be read become problems."""

    def note(error: OSError) -> None:
        problems[printable(os.path.relpath(error.filename, folder))] = _os_fault(error)

    seen = set[tuple[int, int]]()
    for place, below, names in os.walk(folder, onerror=note, followlinks=True):
        status = Path(place).stat()
        # A link may lead back to where it lies.
        if (status.st_dev, status.st_ino) in seen:
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        below.sort()
        yield from (Path(place, name) for name in sorted(names))


def _os_fault(error: OSError) -> str:
    return f"cannot be read ({error.strerror or error}): mend its rights, or move it away"


def checked(given: Plan, advance: Advance = lambda: None, rules: MaskRules | None = None) -> Plan:
    """Look into every file, and at what they are together; what the stack would refuse becomes a problem."""

    def look(item: tuple[str, Path]) -> tuple[Record, Content | None]:
        try:
            return _record(*item, rules or MaskRules())
        finally:
            advance()

    with ThreadPoolExecutor(PARALLEL) as pool:
        found = dict(zip(given.files, pool.map(look, given.files.items()), strict=True))
    records = [record for record, _ in found.values()]
    refused = {record.key: record.reason for record in records if record.state == REFUSED}
    together = _together(given, [record for record in records if record.kind != "unread"])
    left_out: dict[str, str] = {**refused, **together.refused}
    named = {key.removeprefix(given.key_of("")): reason for key, reason in {**left_out, **together.lacking}.items()}
    return replace(
        given,
        files={key: path for key, path in given.files.items() if key not in left_out},
        problems={**given.problems, **dict(sorted(named.items()))},
        remarks=together.remarks,
        tasks=together.tasks,
        contents={key: content for key, (_, content) in found.items() if content},
    )


def _record(key: str, path: Path, rules: MaskRules) -> tuple[Record, Content | None]:
    """What the stack would record of a file, and its content, where it could be read."""
    upload = parse_upload(key)
    record = replace(record_for(upload), state=ACCEPTED)
    try:
        size = path.stat().st_size
        if size > MOST_BYTES_OF_A_FILE:
            reason = f"has {size} bytes; at most {MOST_BYTES_OF_A_FILE} are read"
            return replace(record, state=REFUSED, reason=reason), None
        data = path.read_bytes()
    except OSError as error:
        return replace(record, kind="unread", state=REFUSED, reason=_os_fault(error)), None
    looked = look(upload, data, rules).record if upload.kind in ("image", "mask") else record
    return looked, _content(data)


def _content(data: bytes) -> Content:
    return Content(hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())


@dataclass(frozen=True)
class _Together:
    """What files are to each other, by key: which are refused, which images lack a mask, and what is worth knowing.

    `tasks` are what will be trained on them.
    """

    tasks: Sequence[str]
    refused: Mapping[str, str]
    lacking: Mapping[str, str]
    remarks: Sequence[str]


def _together(given: Plan, records: Sequence[Record]) -> _Together:
    settings = settings_key(given.dataset)
    content = given.files[settings].read_bytes() if any(one.key == settings for one in records) else None
    annotations = _annotations(given, {one.key for one in records})
    dataset = datasets.read(given.dataset, datasets.Recorded.of(records), content, annotations)
    # Of copies under one label the stack takes one: no harm.
    taken = {name for image in dataset.images for name in (image.digest, image.picture) if name}
    copies = {one.key for one in records if one.key in dataset.refused and ({one.digest, one.picture} - {""}) & taken}
    refused = {key: reason for key, reason in dataset.refused.items() if key not in copies}
    remarks = [*dataset.remarks, *([f"{counted(len(copies), 'file')} are copies of others"] if copies else [])]
    lacking: dict[str, str] = {}
    if "detection" in dataset.tasks:
        found = annotate(dataset.images, dataset.masks, dataset.refused_masks)
        lacking = {key: found.problems[key] for key in found.unmasked}
        refused |= {mask.key: found.problems[mask.key] for mask in dataset.masks if mask.key in found.problems}
    if dataset.problem:
        refused[settings] = dataset.problem
    return _Together(dataset.tasks, refused, lacking, remarks)


def _annotations(given: Plan, keys: Collection[str]) -> datasets.Annotations:
    path = given.files.get(annotations_key(given.dataset))
    if path is None:
        return datasets.Annotations()
    with path.open("rb") as file:
        chunks = iter(partial(file.read, 1 << 20), b"")
        return datasets.read_annotations(given.dataset, chunks, "", keys)


def missing(s3: Any, bucket: str, given: Plan, recorded: Mapping[str, tuple[str, str]] | None = None) -> list[str]:
    """The keys that are not in the bucket with the same bytes.

    The bucket uses SSE-S3, so the etag of an object that was sent whole is its MD5 sum. `recorded` has etag and SHA-256
    by key, as the stack saw them: they tell of the others.
    """
    there = dict(_etags(s3, bucket, dataset_prefix(given.dataset)))
    records = recorded or {}

    def is_there(key: str, path: Path) -> bool:
        if key not in there:
            return False
        content = given.contents.get(key) or _content(path.read_bytes())
        etag, digest = records.get(key, ("", ""))
        return there[key] == content.md5 or (there[key], content.sha256) == (etag, digest)

    return [key for key, path in given.files.items() if not is_there(key, path)]


def probe_of(given: Plan) -> str:
    """The key of a file that may be sent again at little cost: dataset.json, which goes last, or else the smallest."""
    settings = settings_key(given.dataset)
    return settings if settings in given.files else min(given.files, key=lambda key: given.files[key].stat().st_size)


def surplus(s3: Any, bucket: str, given: Plan) -> list[str]:
    """The keys of the dataset that the bucket has and the folder has not."""
    here = given.files.keys() | {given.key_of(name) for name in given.problems}
    return [key for key, _ in _etags(s3, bucket, dataset_prefix(given.dataset)) if dataset_of(key) and key not in here]


def delete(s3: Any, bucket: str, keys: Sequence[str]) -> None:
    """Delete objects; the bucket keeps their versions for a while. Raises CommandRefused."""
    for start in range(0, len(keys), 1000):
        objects = [{"Key": key} for key in keys[start : start + 1000]]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := answer.get("Errors"):
            raise CommandRefused(f"{errors[0]['Key']} was not deleted: {errors[0]['Message']}")


def _etags(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from ((entry["Key"], entry["ETag"].strip('"')) for entry in page.get("Contents", ()))


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
