"""Measure what it does to a number when views of one part stand on two sides.

    python benchmarks/groups.py [--parts 8] [--views 4] [--seed 7]

Parts are drawn, and photographed several times: a little moved, turned and lit otherwise. The sides are dealt as the
stack deals them, once knowing nothing of parts and once with `groups`; a classifier learns from train and is asked
about holdout, and about parts that nobody has seen. What holdout says should be what new parts show.
"""

import argparse
import io
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance
from sklearn.metrics import f1_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "mlops"))

from local.pictures import generate
from local.rekognition.engine import ClassificationModel, LabeledImage, train_classifier
from mlops.dataset.dataset_json import DatasetSettings
from mlops.dataset.images import Image as Listed
from mlops.dataset.splits import assign_sides

SIDE = 256
Views = dict[str, tuple[str, bytes]]


def photographed(picture: Image.Image, rng: np.random.Generator) -> bytes:
    """The same part once more: moved and turned by hardly anything, and lit otherwise."""
    shift = rng.integers(-4, 5, 2).tolist()
    image = picture.rotate(float(rng.normal(0, 0.6)), Image.Resampling.BICUBIC, translate=(shift[0], shift[1]))
    image = ImageEnhance.Brightness(image).enhance(float(rng.normal(1, 0.05)))
    noise = rng.normal(0, 3, (image.height, image.width, 3))
    data = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)).save(data, "JPEG", quality=92)
    return data.getvalue()


def views_of_parts(parts: int, views: int, seed: int) -> Views:
    """Label and file of every view by a name that begins with its part."""
    rng, found = np.random.default_rng(seed), Views()
    with tempfile.TemporaryDirectory() as place:
        generate(Path(place), seed=seed, good=parts, per_defect=parts, size=SIDE)
        for path in sorted([*Path(place).glob("train/*/*.png"), *Path(place).glob("test/*/*.png")]):
            with Image.open(path) as picture:
                for view in range(views):
                    name = f"{path.parent.name}-{path.stem}-{path.parents[1].name}_{view}"
                    found[name] = path.parent.name, photographed(picture.convert("RGB"), rng)
    return found


def sides_of(views: Views, groups: str) -> dict[str, str]:
    """The sides that the stack would deal."""
    settings = DatasetSettings(split="pool", groups=groups)
    listed = [Listed(name, "", (label,), "", name, group=settings.group_of(name)) for name, (label, _) in views.items()]
    return assign_sides(listed, settings)


def macro_f1(model: ClassificationModel, views: Sequence[tuple[str, bytes]]) -> float:
    said = [model.labels[row.argmax()] for row in model.predict([data for _, data in views])]
    return float(f1_score([label for label, _ in views], said, average="macro", zero_division=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", type=int, default=8, help="parts without defect, and of each defect")
    parser.add_argument("--views", type=int, default=4, help="photographs of each part")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    seen = views_of_parts(options.parts, options.views, options.seed)
    unseen = list(views_of_parts(options.parts, 1, options.seed + 1).values())
    parts = len({re.sub("_[0-9]+$", "", name) for name in seen})
    print(f"{parts} parts, {len(seen)} photographs; {len(unseen)} of other parts. Macro F1:")
    for title, groups in (("sides dealt by photograph", ""), ("sides dealt by part", "^(.+)_[0-9]+$")):
        sides = sides_of(seen, groups)
        learned = [LabeledImage(name, data, (label,)) for name, (label, data) in seen.items() if sides[name] == "train"]
        model = train_classifier(learned)
        held_out = macro_f1(model, [view for name, view in seen.items() if sides[name] == "holdout"])
        new = macro_f1(model, unseen)
        print(f"{title:<27} holdout says {held_out:.3f}, new parts show {new:.3f}: {held_out - new:+.3f}")


if __name__ == "__main__":
    main()
