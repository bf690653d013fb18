"""What else could run the two face models: OpenVINO, and fp16 weights, beside onnxruntime in fp32.

    python benchmarks/face_providers.py [--rounds 60]

One thread each; the variants take turns, and the median CPU time of a run counts, the preparation of the picture left
out. It needs `mien[export]` (OpenVINO, onnx).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mien.face.inference import session
from mien.face.weights.locate import paths


def variants(model: Path) -> dict[str, Callable[[], object]]:
    """The ways to run a model on noise, by name."""
    os.environ.setdefault("CI", "true")  # OpenVINO then sends no telemetry
    import onnx
    import onnxruntime
    import openvino
    from onnxruntime.transformers.float16 import convert_float_to_float16

    plain = session(model)
    rng = np.random.default_rng(0)
    given = {each.name: rng.random([size if isinstance(size, int) else 1 for size in each.shape], np.float32)
             for each in plain.get_inputs()}
    result: dict[str, Callable[[], object]] = {"onnxruntime, fp32": lambda: plain.run(None, given)}
    for precision in ("f32", "bf16"):
        compiled = openvino.Core().compile_model(str(model), "CPU", {
            "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"})
        request = compiled.create_infer_request()
        result[f"OpenVINO, {precision}"] = lambda request=request: request.infer(list(given.values()))
    halved = convert_float_to_float16(onnx.load(str(model)), keep_io_types=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    half = onnxruntime.InferenceSession(halved.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result["onnxruntime, fp16 weights"] = lambda: half.run(None, given)
    return result


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=60)
    rounds = ask.parse_args().rounds
    print("`python benchmarks/face_providers.py`\n")
    print("| CPU ms a run | onnxruntime, fp32 | OpenVINO, f32 | OpenVINO, bf16 | onnxruntime, fp16 weights |")
    print("|---|---|---|---|---|")
    for model in (paths().detector, paths().landmarks):
        runs = variants(model)
        spent: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(rounds + 5):
            for name, run in runs.items():
                start = time.process_time()
                run()
                if turn >= 5:
                    spent[name].append(1000 * (time.process_time() - start))
        print(f"| {model.name} | {' | '.join(f'{np.median(each):.2f}' for each in spent.values())} |")


if __name__ == "__main__":
    main()
