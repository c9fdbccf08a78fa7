"""What sleeping threads of the network are worth, beside threads that spin: alone, and with two processes at once.

.venvs/project/bin/python benchmarks/threads.py
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local.rekognition.engine import network

RUNS, SIDE = 60, 320


def seconds(spins: bool) -> float:
    """How long the network takes for a number of images."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = network.THREADS, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
    session = onnxruntime.InferenceSession(network.network_path(), options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: np.random.default_rng(0).random((1, 3, SIDE, SIDE), np.float32)}
    session.run(None, given)
    started = time.perf_counter()
    for _ in range(RUNS):
        session.run(None, given)
    return time.perf_counter() - started


def main() -> None:
    print(f"{RUNS} images of {SIDE} x {SIDE} pixels, {network.THREADS} threads\n")
    print(f"{'processes':>10}  {'sleeping s':>10}  {'spinning s':>10}  {'sleeping / spinning':>20}")
    for processes in (1, 2):
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            sleeping, spinning = (max(pool.map(seconds, [spins] * processes)) for spins in (False, True))
        print(f"{processes:>10}  {sleeping:>10.2f}  {spinning:>10.2f}  {sleeping / spinning:>20.2f}")


if __name__ == "__main__":
    main()
