"""Read the tensors of a PyTorch checkpoint without PyTorch.

The file (PyTorch before 1.6) holds five pickles: magic number, protocol, system, tensors, storage keys. The values
follow: for each key the number of elements and the raw elements, little-endian. Pickles can run code, so only the
globals that a plain state dictionary needs are admitted.
"""

import pickle
import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True)
class _Tensor:
    """Where one tensor lies in its storage, whose values come later in the file; in elements."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        values = storages[self.storage]
        strides = [stride * values.itemsize for stride in self.strides]
        return np.ndarray(self.shape, values.dtype, values, self.offset * values.itemsize, strides)


def _describe_tensor(storage: str, offset: int, shape: Sequence[int], strides: Sequence[int], *_: object) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _StateUnpickler(pickle.Unpickler):
    """Admit the globals of a state dictionary; note the element type of every storage."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.dtypes: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _describe_tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a state dictionary; refusing to load it")

    def persistent_load(self, identity: tuple[Any, ...]) -> str:
        _, dtype, key, *_rest = identity
        self.dtypes[key] = dtype
        return str(key)


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a state dictionary by name.

    Raises ValueError when the file is not such a checkpoint, pickle.UnpicklingError when it holds anything else.
    """
    with path.open("rb") as file:
        if _StateUnpickler(file).load() != _MAGIC_NUMBER:
            raise ValueError(f"{path} is not a PyTorch checkpoint of the kind before version 1.6")
        for _ in ("protocol", "system"):
            _StateUnpickler(file).load()
        state = _StateUnpickler(file)
        tensors: dict[str, _Tensor] = state.load()
        keys: list[str] = _StateUnpickler(file).load()
        storages = {key: _read_storage(file, state.dtypes[key]) for key in keys}
    return {name: tensor.read(storages) for name, tensor in tensors.items()}


def _read_storage(file: IO[bytes], dtype: np.dtype[Any]) -> np.ndarray:
    (size,) = struct.unpack("<q", file.read(8))
    return np.frombuffer(file.read(size * dtype.itemsize), dtype)
