import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from local.pictures import generate
from local.pictures.__main__ import main
from local.pictures.camera import look
from local.pictures.dataset import SMALLEST, outline
from local.pictures.defects import DEFECTS
from local.pictures.part import good_part

SIZE = 128


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pictures")
    generate(out, good=6, per_defect=4, size=SIZE, jobs=1)
    return out


def files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*.png"))


def digests(folder: Path) -> dict[Path, str]:
    return {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in files(folder)}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, np.float32)


def test_folders_and_counts_are_those_of_mvtec_ad(folder: Path) -> None:
    counts = Counter(str(path.parent) for path in files(folder))

    expected = {"train/good": 4, "test/good": 2}
    expected |= {f"{half}/{defect}": 4 for half in ("test", "ground_truth") for defect in DEFECTS}
    assert counts == expected


def test_every_defect_has_a_mask_of_the_same_name(folder: Path) -> None:
    for defect in DEFECTS:
        images = [path.stem for path in sorted((folder / "test" / defect).iterdir())]
        masks = [path.stem for path in sorted((folder / "ground_truth" / defect).iterdir())]
        assert masks == [f"{stem}_mask" for stem in images]


def test_pictures_are_rgb_of_the_size_asked_for(folder: Path) -> None:
    for path in files(folder):
        if path.parts[0] != "ground_truth":
            with Image.open(folder / path) as image:
                assert (image.mode, image.size) == ("RGB", (SIZE, SIZE)), path


def test_masks_are_black_and_white_and_mark_something(folder: Path) -> None:
    for path in sorted((folder / "ground_truth").rglob("*.png")):
        with Image.open(path) as mask:
            assert (mask.mode, mask.size) == ("L", (SIZE, SIZE)), path
            assert set(np.unique(np.asarray(mask))) == {0, 255}, path


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("severity", [0.0, 1.0])
def test_a_defect_of_any_severity_leaves_a_mask_even_on_the_smallest_picture(defect: str, severity: float) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        grid = look(SMALLEST, rng)
        scene = DEFECTS[defect](good_part(rng), severity, rng)
        assert scene.defect is not None
        assert np.asarray(outline(scene.defect, grid)).any(), seed


def test_misplaced_masks_cover_more_than_masks_of_a_lead(folder: Path) -> None:
    def area(defect: str) -> float:
        return float(np.mean([pixels(path).mean() for path in (folder / "ground_truth" / defect).iterdir()]))

    assert area("misplaced") > 3 * max(area("bent_lead"), area("cut_lead"))


def test_cut_leads_differ_from_good_ones_most_where_the_mask_is(folder: Path) -> None:
    usual = np.median([pixels(path) for path in sorted((folder / "train" / "good").iterdir())], axis=0)
    for path in sorted((folder / "test" / "cut_lead").iterdir()):
        mask = pixels(folder / "ground_truth" / "cut_lead" / f"{path.stem}_mask.png") > 0
        difference = np.abs(pixels(path) - usual).mean(axis=2)
        assert difference[mask].mean() > 2 * difference[~mask].mean(), path


def test_good_pictures_look_alike_but_none_twice(folder: Path) -> None:
    good = [folder / path for path in files(folder) if path.parent.name == "good"]
    assert len({path.read_bytes() for path in good}) == len(good)
    first, *others = (pixels(path).ravel() for path in good)
    assert min(np.corrcoef(first, other)[0, 1] for other in others) > 0.6


def test_same_arguments_give_same_bytes_whatever_the_number_of_jobs(tmp_path: Path, folder: Path) -> None:
    generate(tmp_path, good=6, per_defect=4, size=SIZE, jobs=2)

    assert digests(tmp_path) == digests(folder)


def test_another_seed_gives_other_pictures(tmp_path: Path, folder: Path) -> None:
    generate(tmp_path, seed=8, good=3, per_defect=0, size=SIZE, jobs=1)

    assert not set(digests(tmp_path).values()) & set(digests(folder).values())


def test_asking_for_more_keeps_the_pictures_that_were_there(tmp_path: Path, folder: Path) -> None:
    generate(tmp_path, good=0, per_defect=5, size=SIZE, jobs=1)

    ours, theirs = digests(tmp_path), digests(folder)
    shared = ours.keys() & theirs.keys()
    assert len(shared) == 2 * 4 * len(DEFECTS)
    assert all(ours[path] == theirs[path] for path in shared)


def test_progress_is_told_after_every_picture(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    generate(tmp_path, good=3, per_defect=0, size=64, jobs=1, progress=lambda done, total: seen.append((done, total)))

    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 16}, "size is 16; it must be at least 64"),
        ({"good": -1}, "good is -1; it must be at least 0"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"jobs": 0}, "jobs is 0; it must be at least 1"),
    ],
)
def test_senseless_arguments_are_refused_by_name(tmp_path: Path, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(tmp_path, **arguments)

    assert not list(tmp_path.iterdir())


def test_pictures_of_another_request_are_not_mixed_in(tmp_path: Path) -> None:
    generate(tmp_path, good=6, per_defect=0, size=64, jobs=1)

    with pytest.raises(FileExistsError, match=r"001\.png belongs to another .* choose an empty folder"):
        generate(tmp_path, good=3, per_defect=0, size=64, jobs=1)


def test_command_line_writes_the_folder_and_reports_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["--out", str(tmp_path), "--good", "3", "--per-defect", "0", "--size", "64", "--jobs", "1"])

    assert status == 0
    assert len(files(tmp_path)) == 3
    assert "3/3 pictures" in capsys.readouterr().err


def test_command_line_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--out", str(tmp_path), "--size", "8"])

    assert status == 2
    assert "error: size is 8; it must be at least 64" in capsys.readouterr().err
