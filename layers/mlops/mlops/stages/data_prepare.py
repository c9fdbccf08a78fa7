"""Everything that can be checked before training is paid for."""

import difflib
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice

from mlops import stack
from mlops.aws import ahead, buckets
from mlops.dataset.images import Image, image_of
from mlops.dataset.keys import dataset_prefix, run_key
from mlops.dataset.learning import learning_of
from mlops.dataset.limits import BoxSizes, Verdict, check_manifests, image_faults
from mlops.dataset.tiles import trained_tiles
from mlops.records import documents, runs
from mlops.records.documents import GroundTruth, Refusal, TrainingInput
from mlops.records.images import record_of
from mlops.stage import StageRef
from mlops.stages import eval_metric

# So many rows are looked up at once: as many objects as a page of S3 has.
_TOGETHER = 1000
# Of what was sent again, and nobody has looked at yet, so many bytes are read.
_MOST_COMPARED, _CHUNK = 4 << 30, 1 << 20


def prepare(run_id: str, cause: str) -> None:
    """Check a run's manifests and write its training input; a violation fails the stage and names the files."""
    store = buckets.artifacts_bucket()
    truth = documents.require(GroundTruth, run_id)
    # A refused run leaves its account, too, and the rule cannot see what is in it.
    if truth.outcome != runs.COMPLETED:
        return
    ref = StageRef(run_id, truth.dataset, truth.task, "data_prepare")
    if not runs.begin(ref, cause):
        return
    inventory = _Inventory(truth.dataset, truth.tiles.side)
    inventory.read(image_of(json.loads(line)) for line in store.lines(truth.inventory))
    train, test = (store.lines(truth.manifests[side]) for side in ("train", "test"))
    verdict = check_manifests(ref.task, train, test, inventory.faults, stack.here().region)
    # Everything at once: whoever corrects one thing should not wait for a mail about the next.
    violations = verdict.violations + inventory.changed
    limits = label_thresholds(ref.task, truth)
    violations += limits.violations
    if violations:
        runs.fail(ref, violations, documents.write(Refusal(ref, runs.FAILED, tuple(violations)), run_id))
        return
    remarks = (*truth.remarks, *verdict.warnings, *limits.warnings, *_remarks(truth, inventory))
    runs.complete(ref, documents.write(_training_input(ref, truth, remarks), run_id))


def _remarks(truth: GroundTruth, inventory: "_Inventory") -> list[str]:
    """What somebody who decides should know beside the service's limits."""
    remarks = []
    if truth.tiles.side:
        calls = f"about {truth.tiles.calls} calls of the service, in tests and for new pictures"
        remarks.append(f"it works on tiles of {truth.tiles.side} px: a picture takes {calls}")
    remarks += learning_of(truth.task).remarks(inventory.sizes, has_clean=inventory.has_clean)
    # Where dataset.json names the tasks, somebody wants no other.
    if not truth.settings.tasks:
        remarks += filter(None, (learning_of(task).absence for task in truth.left_out_tasks))
    if truth.split.by == "pool" and truth.settings.split == "auto":
        remarks.append(f"the system deals the sides, not the folders: {truth.split.why}")
    return remarks


def label_thresholds(task: str, truth: GroundTruth) -> Verdict:
    """What is wrong with the thresholds of single labels, before a training is paid for.

    They are a parameter of the stack: a label that this dataset does not have may be one of another dataset.
    """
    verdict = Verdict()
    try:
        given = eval_metric.gate_of(task, truth.label_names).by_label
    except ValueError as error:
        verdict.violations.append(str(error))
        return verdict
    # A threshold of what no model ever says could never be met.
    labels = set(filter(learning_of(task).may_say, truth.labels))
    for label in sorted(given):
        if label not in labels:
            alike = difflib.get_close_matches(label, labels, 1)
            hint = f"; did you mean {alike[0]!r}?" if alike else ""
            verdict.warnings.append(f"{label!r} has a threshold, but is no label of this dataset{hint}")
        elif not truth.counts.get("test", {}).get(label):
            verdict.violations.append(f"{label!r} has a threshold, but no image in test that could show that it is met")
    return verdict


class _Inventory:
    """What is to be known of the images of a run, as their rows come in the order of their keys.

    `faults` has what the service would not take of each, by the key that it gets; `changed` says which are no longer
    those of the manifests: the service would train on others, or fail.
    """

    def __init__(self, dataset: str, tiles: int = 0) -> None:
        self.faults: dict[str, Sequence[str]] = {}
        self.changed: list[str] = []
        self.sizes = BoxSizes(tiles)
        self.has_clean = False
        self._prefix = dataset_prefix(dataset)
        self._left = _MOST_COMPARED
        self._tiles = tiles

    def read(self, images: Iterator[Image]) -> None:
        """Everything about these images; of the bucket, only what lies between the keys of some of them."""
        together = iter(lambda: list(islice(images, _TOGETHER)), [])
        for some_images, etags in ahead.each(self._etags, together):
            for image in some_images:
                self._take(image, etags.get(image.key, ""))

    def _etags(self, images: Sequence[Image]) -> dict[str, str]:
        """The etags of the objects of images, which are in the order of their keys, as S3 lists."""
        found: dict[str, str] = {}
        # S3 lists what is behind a key: the first one is behind itself without its last letter.
        behind, last = images[0].key[:-1], images[-1].key
        while behind < last and (page := buckets.data_bucket().page(self._prefix, behind)):
            found |= page
            behind = next(reversed(page))
        return found

    def _take(self, image: Image, etag: str) -> None:
        # Nearly all have none, and need no list each.
        for given in trained_tiles(image, self._tiles) if self._tiles else (image,):
            self.faults[given.shown[0]] = image_faults(given.width, given.height, given.size, given.format) or ()
        self.sizes.take(image)
        self.has_clean |= not image.boxes
        if etag != image.etag and not (etag and self._has_same_bytes(image, etag)):
            self.changed.append(
                f"{image.key} was {'replaced' if etag else 'deleted'} after its manifest was written; "
                "the change starts a run of its own"
            )

    def _has_same_bytes(self, image: Image, etag: str) -> bool:
        """Whether an object with another etag has the bytes of the inventory: in parts or encrypted, it was sent again.

        Whoever looked at it already has recorded that. Of the others so many are read that the function ends in time.
        """
        record = record_of(image.key)
        if record and record.etag == etag and record.digest:
            return record.digest == image.digest
        try:
            found = buckets.data_bucket().get(image.key)
        except buckets.ObjectUnreadable:
            return False
        self._left -= int(found["ContentLength"]) if found else 0
        if found is None or self._left < 0:
            return False
        digest = hashlib.sha256()
        with closing(found["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest() == image.digest


def _training_input(ref: StageRef, truth: GroundTruth, warnings: tuple[str, ...]) -> TrainingInput:
    return TrainingInput(
        ref,
        digest=truth.digest,
        labels=truth.labels,
        counts=truth.counts,
        manifests=truth.manifests,
        version_name=ref.run_id,
        output_prefix=run_key(ref.run_id, "rekognition/development"),
        warnings=warnings,
    )
