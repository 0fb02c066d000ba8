"""ONNX Runtime on the CPU, called plainly and with its inputs and outputs bound once; the faster one counts."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.peers.onnx_graph import as_torch_shape, build_model
from benchmarks.problem import AbsentError, Contestant, Problem, Results

STATES = ("h_n", "c_n")


def contestants(problem: Problem, threads: int) -> list[Contestant]:
    try:
        import onnxruntime
    except ImportError as error:
        raise AbsentError("onnxruntime is not installed: pip install -r benchmarks/requirements.txt") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(build_model(problem), options, providers=["CPUExecutionProvider"])
    return [plain_run(session, problem), bound_run(session, problem)]


def plain_run(session, problem: Problem) -> Contestant:
    feeds = {"x": problem.x.numpy()}
    names = [output.name for output in session.get_outputs()]

    def call() -> list[np.ndarray]:
        return session.run(None, feeds)

    return Contestant("onnxruntime", "session.run", problem, call, lambda: named(names, call()))


def bound_run(session, problem: Problem) -> Contestant:
    import onnxruntime

    binding = session.io_binding()
    names = [output.name for output in session.get_outputs()]
    value = onnxruntime.OrtValue.ortvalue_from_numpy(problem.x.numpy())
    binding.bind_ortvalue_input("x", value)
    outputs = [onnxruntime.OrtValue.ortvalue_from_shape_and_type(o.shape, np.float32) for o in session.get_outputs()]
    for name, output in zip(names, outputs, strict=True):
        binding.bind_ortvalue_output(name, output)

    def call() -> object:
        return session.run_with_iobinding(binding)

    def results() -> Results:
        call()
        return named(names, [output.numpy() for output in outputs])

    return Contestant("onnxruntime bound", "session.run_with_iobinding", problem, call, results)


def named(names: list[str], values: list[np.ndarray]) -> Results:
    """Return the outputs by name, y in torch's shape."""
    found = dict(zip(names, values, strict=True))
    found["y"] = as_torch_shape(found["y"])
    return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}
