"""A case as an ONNX model of one LSTM, GRU or RNN node, built from the weights and not through an exporter."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from benchmarks.problem import AbsentError, Problem

ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
"""Blocks of torch's rows in ONNX's order: i o f c of i f g o; z r h of r z n."""

OPSET, IR_VERSION = 17, 8  # old enough for every runtime we time


def build_model(problem: Problem) -> bytes:
    """Return the serialized model: input x [T, B, I], outputs y [T, D, B, H], h_n and c_n [D, B, H].

    Raises:
        AbsentError: the `onnx` package is missing, or one node cannot hold the case.
    """
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise AbsentError("onnx is not installed: pip install -r benchmarks/requirements.txt") from error
    case = problem.case
    if case.work != "infer" or case.layers > 1 or case.proj_size or case.variant or case.feed != "dense":
        raise AbsentError("one ONNX node is one plain layer over a dense batch, for inference alone")
    directions = 1 + case.bidirectional
    T, B, H = case.time, case.batch, case.hidden_size
    attributes = {"hidden_size": H, "direction": "bidirectional" if case.bidirectional else "forward"}
    if case.family == "gru":
        attributes["linear_before_reset"] = 1  # torch's order
    outputs = {"y": (T, directions, B, H), "h_n": (directions, B, H)}
    if case.family == "lstm":
        outputs["c_n"] = (directions, B, H)
    node = helper.make_node(case.family.upper(), ["x", "w", "r", "b"], list(outputs), **attributes)
    weights = {name: numpy_helper.from_array(value, name) for name, value in gate_weights(problem).items()}

    def described(name: str, shape: tuple[int, ...]):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [node],
        "layer",
        [described("x", (T, B, case.input_size))],
        [described(name, shape) for name, shape in outputs.items()],
        list(weights.values()),
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()


def gate_weights(problem: Problem) -> dict[str, np.ndarray]:
    """Return w [D, G*H, I], r [D, G*H, H] and b [D, 2*G*H] (of the input, then of h) in ONNX's gate order."""
    suffixes = ("_l0", "_l0_reverse")[: 1 + problem.case.bidirectional]
    order = ORDER[problem.case.family]

    def rows(name: str, suffix: str) -> np.ndarray:
        value: Tensor = problem.weights[name + suffix]
        blocks = value.chunk(len(order))
        return np.concatenate([blocks[k].numpy() for k in order])

    biases = [np.concatenate([rows("bias_ih", suffix), rows("bias_hh", suffix)]) for suffix in suffixes]
    return {
        "w": np.stack([rows("weight_ih", suffix) for suffix in suffixes]),
        "r": np.stack([rows("weight_hh", suffix) for suffix in suffixes]),
        "b": np.stack(biases),
    }


def as_torch_shape(y: np.ndarray) -> np.ndarray:
    """Turn ONNX's y [T, D, B, H] into torch's [T, B, D*H]."""
    time, directions, batch, hidden = y.shape
    return y.transpose(0, 2, 1, 3).reshape(time, batch, directions * hidden)
