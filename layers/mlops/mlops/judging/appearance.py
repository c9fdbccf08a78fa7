"""What a picture looks like from afar, in a few numbers: the same for pictures that trained and that are inspected."""

import hashlib
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Statistics:
    """What a prepared picture looks like from afar: shades and colours 0 to 255, sharpness without a unit.

    `sharpness` compares neighbouring pixels with those two apart: 1 is noise, about 0.5 hard edges, 0.25 a soft slope.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    sharpness: float = 0.0
    red: float = 0.0
    green: float = 0.0
    blue: float = 0.0
    width: int = 0
    height: int = 0

    @property
    def is_known(self) -> bool:
        """Whether anybody looked: a picture has pixels."""
        return self.width > 0

    def fingerprint(self, looks: str) -> str:
        """What tells a picture whatever lossless file it comes in, with its perceptual hash; empty where nobody looked.

        The same pixels give the same numbers, and other ones do not: a scratch changes them in the third decimal. A
        copy that lost something, as a JPEG does, has another one.
        """
        if not (self.is_known and looks):
            return ""
        # As many decimals as records keep: read from one, it has the same fingerprint.
        told = " ".join([looks, *(f"{number:.3f}" for number in astuple(self))])
        return hashlib.sha256(told.encode()).hexdigest()[:32]
