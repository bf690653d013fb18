"""Sessions of onnxruntime: one model, the CPU, no telemetry, no more memory or threads than it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mien.core import telemetry
from mien.face.weights.locate import ModelsError, remedy

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_ERRORS_ONLY = 3  # of onnxruntime's levels of severity


def session(model: Path, threads: int = 1, advice: str = "") -> InferenceSession:
    """Load a model for the CPU.

    Args:
        model: An ONNX file.
        threads: Of one run. 1 runs it in the calling thread: handing parts of a small model to other threads costs more
            than it gains, and the threads of a pipeline share the cores already.
        advice: What to do if the file cannot be loaded; "" for the face models of this package.

    Returns:
        A session that several threads may run at the same time.

    Raises:
        ModelsError: The file is no ONNX model that onnxruntime can run.
    """
    onnxruntime = telemetry.onnxruntime()
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting thread leaves the core alone
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # those of onnxruntime share no narrower class
        why = " ".join(str(error).split())
        raise ModelsError(f"{model}: expected an ONNX model, got a file that onnxruntime cannot load ({why}); "
                          f"{advice or remedy()}") from error
