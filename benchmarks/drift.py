"""How often drift is found where nothing changed, and how soon where a lamp dims or a lens is slightly out of focus.

    python benchmarks/drift.py [--windows 1000]

Pictures are drawn anew, with parts that lie elsewhere, light that varies by some percent and noise of a camera; every
window of 100 is other pictures than the reference.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]

from mlops.judging import drift  # noqa: E402
from mlops.judging.appearance import Statistics  # noqa: E402
from mlops.pictures.statistics import statistics_of  # noqa: E402

SIDE, REFERENCE, WINDOW, ANSWERED = 96, 400, 100, 50
# Half a pixel: what an eye sees only beside the other picture.
DEFOCUS, DIMMER = 0.6, 0.85
Change = Callable[[Image.Image], Image.Image]


def as_it_is(image: Image.Image) -> Image.Image:
    return image


def dimmed(image: Image.Image) -> Image.Image:
    return image.point([round(DIMMER * shade) for shade in range(256)] * 3)


def defocused(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(DEFOCUS))


CHANGES: dict[str, Change] = {"nothing": as_it_is, "a lamp 15 % dimmer": dimmed, "slightly out of focus": defocused}


def part(chance: np.random.Generator, change: Change = as_it_is) -> Image.Image:
    """A board with a part and its leads, lit as lamps are, seen by a camera that adds noise."""
    pixels = np.full((SIDE, SIDE, 3), (70, 110, 80), np.float64)
    left, top = chance.integers(15, 35, 2)
    pixels[top : top + 40, left : left + 40] = chance.normal(150, 8, 3)
    for lead in range(int(chance.integers(3, 8))):
        pixels[top + 40 : top + 55, left + 5 * lead : left + 5 * lead + 2] = 210
    if chance.random() < 0.2:
        row = int(chance.integers(0, 36))
        pixels[top + row : top + row + 3, left + 5 : left + 30] = 30
    pixels *= chance.normal(1, 0.04)
    seen = change(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)))
    noisy = np.asarray(seen, np.float64) + chance.normal(0, 1.5, pixels.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def pool(seed: int, count: int, change: Change = as_it_is) -> list[Statistics]:
    chance = np.random.default_rng(seed)
    return [statistics_of(part(chance, change)) for _ in range(count)]


def references_of(pictures: list[Statistics]) -> dict[str, drift.Reference]:
    measured = [drift.looks_of(one) for one in pictures]
    return {name: drift.Reference.of(one[name] for one in measured) for name in drift.LOOKS}


def window_of(pictures: list[Statistics]) -> dict[str, list[float | str]]:
    measured = [drift.looks_of(one) for one in pictures]
    return {name: [one[name] for one in measured] for name in drift.LOOKS}


def windows(
    pictures: list[Statistics], count: int, seed: int = 1
) -> Iterator[tuple[list[Statistics], list[Statistics]]]:
    """A reference and a window, drawn anew each time, with no picture in both."""
    chance = np.random.default_rng(seed)
    for _ in range(count):
        drawn = chance.permutation(len(pictures))[: REFERENCE + WINDOW]
        yield [pictures[i] for i in drawn[:REFERENCE]], [pictures[i] for i in drawn[REFERENCE:]]


def false_alarms(pictures: list[Statistics], count: int) -> int:
    """In how many windows something has drifted although nothing changed."""
    found = 0
    for reference, window in windows(pictures, count):
        found += any(one.has_drifted for one in drift.compared(references_of(reference), window_of(window)))
    return found


def found_in(pictures: list[Statistics], changed: list[Statistics], count: int) -> int:
    """In how many windows of changed pictures something has drifted."""
    found = 0
    chance = np.random.default_rng(2)
    for reference, _ in windows(pictures, count):
        window = [changed[i] for i in chance.permutation(len(changed))[:WINDOW]]
        found += any(one.has_drifted for one in drift.compared(references_of(reference), window_of(window)))
    return found


def told_after_training(old: list[Statistics], new: list[Statistics], window: list[Statistics], count: int) -> int:
    """In how many windows an alarm is still raised once the reference has 50 answered pictures of the new kind among
    its 400, as after a retraining."""
    found = 0
    chance = np.random.default_rng(3)
    for _ in range(count):
        answered = [new[i] for i in chance.permutation(len(new))[:ANSWERED]]
        trained = [old[i] for i in chance.permutation(len(old))[: REFERENCE - ANSWERED]] + answered
        seen = [window[i] for i in chance.permutation(len(window))[:WINDOW]]
        measured = drift.compared(references_of(trained), window_of(seen), [references_of(answered)])
        found += any(one.has_drifted for one in measured)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--windows", type=int, default=1000)
    count = parser.parse_args().windows
    pictures = pool(1, 4000)
    alarms = false_alarms(pictures, count)
    print(
        f"nothing changed: an alarm in {alarms} of {count} windows of {WINDOW} pictures ({100 * alarms / count:.2f} %)"
    )
    for name, change in list(CHANGES.items())[1:]:
        found = found_in(pictures, pool(2, 1500, change), count)
        print(f"{name}: found in {found} of {count} windows of {WINDOW} pictures ({100 * found / count:.2f} %)")
        told = told_after_training(pictures, pool(4, 600, change), pool(5, 600, change), count)
        print(f"  told again once {ANSWERED} of {REFERENCE} that trained look so: {told} of {count} windows")
    worse = pool(6, 600, lambda image: dimmed(dimmed(image)))
    told = told_after_training(pictures, pool(4, 600, dimmed), worse, count)
    print(f"  and a lamp that dims once more, by 15 %: found in {told} of {count} windows")


if __name__ == "__main__":
    main()
