"""The modules users hold: torch.nn's recurrent layers, with variants, ragged batches, resets and traces."""

from holdfast.nn.convert import convert, revert
from holdfast.nn.explain import explain
from holdfast.nn.gru import GRU, GRUCell
from holdfast.nn.lstm import LSTM, LSTMCell
from holdfast.nn.rnn import RNN, RNNCell
from holdfast.nn.trace import LayerTrace, Trace, record

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "LayerTrace",
    "RNNCell",
    "Trace",
    "convert",
    "explain",
    "record",
    "revert",
]
