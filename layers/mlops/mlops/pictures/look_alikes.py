"""Pictures that look nearly alike and are treated differently. Needs the imaging layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops.dataset.images import Image
from mlops.pictures.perceptual import near, shows_the_same
from mlops.words import counted, some

# In how many bits of 64 the hashes of one picture may differ when it is encoded anew.
_MOST_DIFFERENT = 2
# From this share on all pictures look alike, as they do under a fixed camera: then it says nothing.
_TOO_COMMON = 0.25
_MOST_NAMED = 100
Pair = tuple[str, str]


@dataclass(frozen=True)
class LookAlikes:
    """Pairs of keys that stand on different sides, and pairs with different labels; `remarks` put it in words."""

    apart: tuple[Pair, ...] = ()
    contradicting: tuple[Pair, ...] = ()
    remarks: tuple[str, ...] = ()

    def listed(self) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
        """Of both as many as a person may look at."""
        return self.apart[:_MOST_NAMED], self.contradicting[:_MOST_NAMED]


def look_alikes(images: Sequence[Image], sides: Mapping[str, str]) -> LookAlikes:
    """What may be one picture twice. It is a question, not a proof: a scratch is not seen from afar."""
    by_key = {image.key: image for image in images}
    near_ones = near({image.key: image.looks for image in images if image.looks and image.thumbnail}, _MOST_DIFFERENT)
    pairs = [pair for pair in near_ones if shows_the_same(*(by_key[key].thumbnail for key in pair))]
    # Under a fixed camera every part looks like every other, and a list of all pairs helps nobody.
    alike = len({key for pair in pairs for key in pair})
    if alike > _TOO_COMMON * len(images):
        return LookAlikes(remarks=(_too_common(alike, len(images)),))
    apart = tuple((one, other) for one, other in pairs if sides[one] != sides[other])
    contradicting = tuple((one, other) for one, other in pairs if by_key[one].labels != by_key[other].labels)
    remarks = []
    if apart:
        remarks.append(
            f"{counted(len(apart), 'pair')} of pictures on different sides look alike: {_named(apart)}. If they show "
            'one part, name its group in dataset.json ("groups"), or delete one'
        )
    if contradicting:
        remarks.append(
            f"{counted(len(contradicting), 'pair')} of pictures with different labels look alike: "
            f"{_named(contradicting)}. Is one of them labelled wrongly?"
        )
    return LookAlikes(apart, contradicting, tuple(remarks))


def _too_common(alike: int, images: int) -> str:
    return (
        f"{alike} of {counted(images, 'picture')} look like another one, as they do under a fixed camera, so that "
        "look-alikes on different sides or with different labels are not listed. If several show one part, name its "
        'group in dataset.json ("groups")'
    )


def _named(pairs: Sequence[Pair]) -> str:
    return some(f"{one} and {other}" for one, other in pairs)
