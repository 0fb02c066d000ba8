"""NeuralForecast's LSTM, fitted, asked for forecasts and timed: run by the Python of its own environment.

Reads one job a line, as JSON, from its input, and answers each with one line of seconds; forecasts go to files.
`benchmarks.neuralforecast_lstm` starts it, names the files and measures the errors. Nothing of Holdfast is imported.

Whatever only keeps books is off: no logger, no progress bar, no checkpoints, no summary, no loader processes, no
validation. The optimizer is what Holdfast trains with: fused AdamW, a cosine schedule, the gradient's length limited.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import LSTM

Clock = Callable[[], float]

CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
PACKAGES = ("neuralforecast", "pytorch-lightning", "torch", "numpy", "pandas")


def make(job: dict[str, Any]) -> NeuralForecast:
    model = LSTM(
        h=job["horizon"],
        input_size=job["context"],
        encoder_n_layers=job["num_layers"],
        encoder_hidden_size=job["hidden_size"],
        decoder_hidden_size=job["hidden_size"],
        loss=MQLoss(quantiles=job["quantiles"]),
        max_steps=job["steps"],
        val_check_steps=job["steps"],
        batch_size=job["series_a_batch"],
        windows_batch_size=job["batch_size"],
        valid_batch_size=128,  # for forecasts these two sizes are faster than the defaults, as ours is
        inference_windows_batch_size=128,
        training_data_availability_threshold=1.0,  # whole windows, as Holdfast draws them from series of this length
        scaler_type="standard",
        random_seed=job["seed"],
        learning_rate=job["learning_rate"],
        optimizer=torch.optim.AdamW,
        optimizer_kwargs={"weight_decay": job["weight_decay"], "fused": True},
        lr_scheduler=torch.optim.lr_scheduler.CosineAnnealingLR,
        lr_scheduler_kwargs={"T_max": job["steps"]},
        gradient_clip_val=job["clip_norm"],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    return NeuralForecast([model], freq=job["freq"])


def run(job: dict[str, Any], now: Clock) -> dict[str, Any]:
    """Fit, forecast the end of each series, and where asked from each point of the rows held out."""
    train = pd.read_parquet(job["train"])
    forecaster = make(job)
    took = {"fit_seconds": seconds(now, lambda: forecaster.fit(train))[0]}
    forecaster.predict()  # what only the first call pays for
    took["predict_seconds"], forecast = seconds(now, forecaster.predict)
    if job["whole"]:
        whole, windows = pd.read_parquet(job["whole"]), job["windows"]
        took["rolling_seconds"], forecast = seconds(
            now,
            lambda: forecaster.cross_validation(whole, n_windows=windows, step_size=1, refit=False, use_fitted=True),
        )
    forecast.rename(columns={"LSTM-median": "forecast"}).to_parquet(job["out"])
    return took


def seconds(now: Clock, call: Callable[[], Any]) -> tuple[float, Any]:
    began = now()
    found = call()
    return now() - began, found


def main() -> None:
    threads, clock = sys.argv[1:]
    torch.set_num_threads(int(threads))
    warnings.simplefilter("ignore")
    for name in [name for name in logging.root.manager.loggerDict if "lightning" in name]:
        logging.getLogger(name).setLevel(logging.ERROR)
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    print(json.dumps({name: version(name) for name in PACKAGES}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line), CLOCKS[clock])), file=answers, flush=True)


if __name__ == "__main__":
    main()
