"""Pictures of transistors on stripboard, drawn from a seed: training material nobody has to license.

The layout is that of MVTec AD, masks included. `python -m local.pictures --help` is the command line.
"""

from local.pictures.dataset import generate

__all__ = ["generate"]
