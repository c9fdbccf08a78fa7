"""A dataset as it is read from its records: labels by what folders mean, and why files cannot be used."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops.dataset.annotations import MaskRecord, masks_among
from mlops.dataset.boxes import Box
from mlops.dataset.dataset_json import TASKS, DatasetSettings, SettingsInvalid, parse_settings
from mlops.dataset.images import Image
from mlops.dataset.keys import KeyRefused, folder_of, parse_upload
from mlops.dataset.labels import NORMAL, label_of, likeness, looks_like_no_defect, unified
from mlops.dataset.splits import find_duplicates
from mlops.words import counted, some


@dataclass(frozen=True)
class Dataset:
    """Everything that is known about a dataset at one moment.

    `refused` says why files cannot be used, by key; `problem` why nothing can be trained; `label_names` which label a
    folder stands for where that is not its own name; `remarks` is what somebody who decides should know.
    """

    name: str
    images: tuple[Image, ...]
    refused: Mapping[str, str]
    settings: DatasetSettings
    problem: str = ""
    masks: tuple[MaskRecord, ...] = ()
    refused_masks: Mapping[str, str] = field(default_factory=dict)
    label_names: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """What is trained: as the settings say, or else detection only where there are masks."""
        has_masks = bool(self.masks or self.refused_masks)
        return self.settings.tasks or (TASKS if has_masks else ("classification",))


def read(name: str, records: Sequence[Mapping[str, Any]], content: bytes | None) -> Dataset:
    """A dataset from its records and the content of its dataset.json, if it has one."""
    problem, settings = "", DatasetSettings()
    try:
        settings = parse_settings(content)
    except SettingsInvalid as error:
        problem = str(error)
    # What was accepted before the layout knew better is judged by what it is now.
    records = [{**row, **_refusal(row)} for row in records]
    labels = _Labels({folder_of(row["sk"]) for row in records if row["has_label"]}, settings)
    images = [row for row in records if row["kind"] == "image"]
    masks = [row for row in records if row["kind"] == "mask"]
    refused = {row["sk"]: row["reason"] for row in records if row["state"] == "REFUSED" and row["kind"] != "mask"}
    among = masks_among(row["sk"] for row in images)
    refused |= among
    accepted = [_image(row, labels) for row in images if row["sk"] not in refused]
    refused |= find_duplicates(accepted)
    remarks = [*labels.remarks(), *_remarks_on_masks(masks)]
    if among:
        remarks.append(f"{counted(len(among), 'picture')} seem to be masks, and are not trained on: {some(among)}")
    return Dataset(
        name,
        tuple(sorted((image for image in accepted if image.key not in refused), key=lambda image: image.key)),
        refused,
        settings,
        problem or labels.question(),
        tuple(_mask(row, labels) for row in masks if row["state"] == "ACCEPTED"),
        {row["sk"]: row["reason"] for row in masks if row["state"] == "REFUSED"},
        labels.renamed,
        tuple(remarks),
    )


def _refusal(row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"has_label": bool(parse_upload(row["sk"]).label)}
    except KeyRefused as refusal:
        return {"state": "REFUSED", "reason": str(refusal), "kind": refusal.kind, "has_label": False}


class _Labels:
    """What the folders of the images and masks of a dataset stand for."""

    def __init__(self, folders: Collection[str], settings: DatasetSettings) -> None:
        self._normal = settings.normal
        names = unified(map(label_of, folders), settings.normal or ())
        self._labels = {folder: names[label_of(folder)] for folder in sorted(folders)}

    def of(self, key: str) -> str:
        return self._labels[folder_of(key)]

    @property
    def renamed(self) -> dict[str, str]:
        return {folder: label for folder, label in self._labels.items() if folder != label}

    @property
    def _doubtful(self) -> list[str]:
        labels = set(self._labels.values()) - {NORMAL}
        return sorted(label for label in labels if looks_like_no_defect(label))

    @property
    def _has_normal(self) -> bool:
        return NORMAL in self._labels.values()

    def question(self) -> str:
        """Why nobody knows which label means "no defect"; empty when that is clear."""
        known = set(map(likeness, self._labels))
        if missing := [name for name in self._normal or () if likeness(name) not in known]:
            return f"dataset.json: normal names {missing[0]!r}, but no folder is called so, only {some(self._labels)}"
        if self._normal is None and self._doubtful and not self._has_normal:
            name = json.dumps(self._doubtful[0], ensure_ascii=False)
            return (
                f'does {name} mean "no defect"? No label is known to. Say so in dataset.json: "normal": [{name}], '
                'or "normal": [] when every label is a defect'
            )
        return ""

    def remarks(self) -> Iterator[str]:
        together = defaultdict(list)
        for folder, label in self.renamed.items():
            if label != NORMAL:
                together[label].append(folder)
        for label, folders in together.items():
            yield f"{some(map(repr, folders))} is taken for {label!r}: it looks the same"
        if self._has_normal:
            for label in self._doubtful:
                yield f'{label!r} is trained as a defect. If it means "no defect", name it in dataset.json under normal'


def _remarks_on_masks(masks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    said = defaultdict(list)
    for row in masks:
        for remark in row.get("remarks", ()):
            said[remark].append(row["sk"])
    for remark, keys in sorted(said.items()):
        yield f"{some(keys)}: {remark}"


def _image(row: Mapping[str, Any], labels: _Labels) -> Image:
    numbers = {name: int(row[name]) for name in ("width", "height", "size")}
    texts = {name: row[name] for name in ("etag", "folder", "digest", "format", "uploaded_at")}
    facts: dict[str, Any] = {**texts, **numbers, "version_id": row.get("version_id", "")}
    return Image(row["sk"], label=labels.of(row["sk"]), **facts)


def _mask(row: Mapping[str, Any], labels: _Labels) -> MaskRecord:
    boxes = tuple(Box(*map(int, box)) for box in row["boxes"])
    size, specks = (int(row["width"]), int(row["height"])), int(row.get("specks", 0))
    return MaskRecord(row["sk"], row["folder"], labels.of(row["sk"]), *size, boxes, specks)
