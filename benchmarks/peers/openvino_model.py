"""OpenVINO on the CPU, reading the same ONNX model."""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.peers.onnx_graph import build_model
from benchmarks.peers.onnx_runtime import named
from benchmarks.problem import AbsentError, Contestant, Problem, Results

SETTINGS = {
    # Left alone, it computes in bfloat16 wherever the processor can.
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
}


# Without this, reading a model forks the process and sends a message to its makers; it copes with the package missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def contestants(problem: Problem, threads: int) -> list[Contestant]:
    try:
        import openvino
    except ImportError as error:
        raise AbsentError("openvino is not installed: pip install -r benchmarks/requirements.txt") from error
    core = openvino.Core()
    model = core.read_model(build_model(problem))
    request = core.compile_model(model, "CPU", {**SETTINGS, "INFERENCE_NUM_THREADS": threads}).create_infer_request()
    x = problem.x.numpy()
    request.set_input_tensor(openvino.Tensor(x, shared_memory=True))  # bound once; nothing is copied in a call
    names = [output.get_any_name() for output in request.model_outputs]

    def call() -> object:
        return request.infer(share_outputs=True)

    def results() -> Results:
        call()
        return named(names, [np.array(request.get_tensor(name).data) for name in names])

    return [Contestant("openvino", "request.infer", problem, call, results)]
