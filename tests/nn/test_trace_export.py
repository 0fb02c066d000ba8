"""Traces with labelled steps, as arrays, files and tables, of any model at any depth and on every backend."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import holdfast
from holdfast.errors import CheckpointError, MissingDependencyError, ShapeError
from holdfast.kernels import cpu_level
from holdfast.nn import Trace
from tests.cases import FAMILIES, OURS, SINGLE_FLAGS, THEIRS, make_module

BACKENDS = ["reference", pytest.param("cpu", marks=pytest.mark.skipif(
    cpu_level.load().module is None, reason="no compiled kernels here"))]  # fmt: skip


class Deep(nn.Module):
    """A stack inside a stack, called twice, its second call longer."""

    def __init__(self, encoder):
        super().__init__()
        self.parts = nn.ModuleList([nn.ModuleDict({"encoder": encoder}), nn.Linear(10, 3)])

    def forward(self, x):
        y, _ = self.parts[0]["encoder"](x)
        return self.parts[0]["encoder"](torch.cat([self.parts[1](y), x]))[0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spec", SINGLE_FLAGS.values(), ids=SINGLE_FLAGS)
def test_a_saved_trace_of_any_variant_is_read_again(spec, backend, tmp_path):
    module = make_module(spec, num_layers=2, bidirectional=True, backend=backend).train()
    lengths = torch.tensor([4, 2])
    trace = module.trace(torch.randn(4, 2, 3), lengths=lengths, gradients=True, labels=["a", "ß", "", "🙂"])
    trace.output.sum().backward()
    trace.save(tmp_path / "trace.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["trace.npz"]
    with np.load(tmp_path / "trace.npz", allow_pickle=False) as file:
        assert file["labels"].tolist() == ["a", "ß", "", "🙂"]
        for key, array in trace.to_numpy().items():
            np.testing.assert_array_equal(file[key], array)
        assert f"1/backward/{'h' if spec.family == 'rnn' else 'n' if spec.family == 'gru' else 'f'}" in file.files
    again = Trace.load(tmp_path / "trace.npz")
    assert (again.labels, list(again)) == (trace.labels, list(trace))
    for key in trace:
        found, expected = again[key], trace[key]
        assert (found.backend, list(found.values)) == (backend, list(expected.values))
        assert found.lengths.tolist() == [4, 2]
        for name in (*expected.values, "h0", "d_h", *(["c0", "d_c"] if spec.family == "lstm" else [])):
            torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "torch"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_deep_inside_and_called_twice_keeps_its_calls_apart(family, kinds, training, tmp_path):
    model = Deep(kinds[family](3, 5, num_layers=2, bidirectional=True, dropout=0.5)).train(training)
    with holdfast.record(model, labels=list("abcdef")) as trace:
        y = model(torch.randn(3, 2, 3))
    name = "parts.0.encoder"
    arrays = trace.to_numpy()
    np.testing.assert_array_equal(arrays[f"{name}#1/1/backward/h"], y[..., 5:].detach())
    assert arrays[f"{name}#0/0/forward/h"].shape == (3, 2, 5)
    trace.save(tmp_path / "trace.npz")
    again = Trace.load(tmp_path / "trace.npz")
    assert len(again.calls(name)) == 2
    torch.testing.assert_close(again.calls(name)[1][1, "backward"].h, y[..., 5:].detach())
    frame = pytest.importorskip("pandas", reason="pandas makes the table") and trace.to_dataframe()
    assert frame[frame.call == 0].label.isna().all()  # six labels are those of the second call
    assert frame[frame.call == 1].label.tolist()[::5][:6] == list("abcdef")


@pytest.mark.parametrize("form", ["lengths", "packed"])
def test_the_table_has_a_line_for_each_unit_of_each_step_that_counts(form):
    pytest.importorskip("pandas", reason="pandas makes the table")
    lstm, x = holdfast.LSTM(3, 5, num_layers=2, proj_size=2), torch.randn(4, 3, 3)
    rows = [["a", "b"], ["c", "d", "e", "f"], ["g"]]
    lengths = torch.tensor([2, 4, 1])
    if form == "packed":
        trace = lstm.trace(pack_padded_sequence(x, lengths, enforce_sorted=False), labels=rows)
    else:
        trace = lstm.trace(x, lengths=lengths, labels=rows)
    frame = trace.to_dataframe()
    head = ["name", "layer", "direction", "call", "row", "step", "label", "unit", *"ifgoch"]
    assert frame.columns.tolist() == head
    assert len(frame) == 2 * 7 * 5
    one = frame[(frame.layer == 1) & (frame.row == 1) & (frame.unit == 1)]
    assert one.label.tolist() == ["c", "d", "e", "f"]
    np.testing.assert_array_equal(one.c, trace["", 1, "forward"].c[:, 1, 1])
    np.testing.assert_array_equal(one.h, trace["", 1, "forward"].h[:, 1, 1])
    assert frame[frame.unit == 2].h.isna().all()  # the projected h has two units


def test_half_precision_becomes_float32_and_the_vendors_layers_are_traced_too():
    lstm = holdfast.LSTM(3, 5).bfloat16()
    arrays = lstm.trace(torch.randn(4, 2, 3, dtype=torch.bfloat16), labels="word").to_numpy()
    assert arrays["0/forward/h"].dtype == np.float32
    assert holdfast.LSTM(3, 5).trace(torch.randn(4, 2, 3), labels="word").labels == tuple("word")
    # backend="vendor" is refused, not silently another's; auto takes one that gives its gates.
    with pytest.raises(RuntimeError, match="does not give its gates"):
        holdfast.LSTM(3, 5, backend="vendor").trace(torch.randn(4, 2, 3))


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["a"], "1 labels"), ([["a"] * 4], r"\[4\] labels"), ([["a"] * 4, "b"], "both"), ([["a"] * 4, ["b"]], "4 steps")],
)
def test_labels_that_fit_no_call_are_refused(labels, message):
    with pytest.raises(ShapeError, match=message):
        holdfast.LSTM(3, 5).trace(torch.randn(4, 2, 3), labels=labels)


def test_a_file_that_is_no_trace_is_refused_and_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    for content in (b"", b"no zip", None):
        path = tmp_path / "broken.npz"
        path.write_bytes(content) if content is not None else np.savez(path, f=np.zeros(3))
        with pytest.raises(CheckpointError, match="broken"):
            Trace.load(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        Trace.load(tmp_path / "absent.npz")
    for prefix, gate in (("0/forward", "h"), ("x/forward", "h0")):
        np.savez(path, holdfast_trace=np.array("1"), **{f"{prefix}/{gate}": np.zeros((2, 2, 2))})
        with pytest.raises(CheckpointError, match="no layer"):
            Trace.load(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(CheckpointError, match="one array alone"):
        Trace.load(tmp_path / "one.npy")
    trace = holdfast.LSTM(3, 5).trace(torch.randn(4, 2, 3))
    trace.save(path)
    with np.load(path) as file:
        good = dict(file)
    for wrong in ("a#-1/0/forward", "a#999999999999/0/forward", "a/0/sideways", "a/-1/forward"):
        np.savez(path, **{key.replace("0/forward", wrong): array for key, array in good.items()})
        with pytest.raises(CheckpointError, match="broken"):
            Trace.load(path)
    (tmp_path / "one.npy").unlink()
    path.unlink()
    trace = holdfast.LSTM(3, 5).trace(torch.randn(4, 2, 3))

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        trace.save(tmp_path / "trace.npz")
    assert list(tmp_path.iterdir()) == []


def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=r"holdfast\[tables\]"):
        holdfast.LSTM(3, 5).trace(torch.randn(4, 2, 3)).to_dataframe()
