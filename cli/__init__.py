"""The command line `mlops` of a deployed stack, the same against AWS and a local cloud: `python -m cli --help`."""

import importlib.util
import sys
from pathlib import Path

# In a checkout the package mlops lies in the layer that the functions get it from.
if importlib.util.find_spec("mlops") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "mlops"))
