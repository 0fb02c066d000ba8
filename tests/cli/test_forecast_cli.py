"""`holdfast forecast`: from a CSV to a forecast, a plot and a table of scores."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from holdfast.cli.main import main
from tests.tasks.forecast.forecast_samples import small_frame

SMALL = ["--horizon", "4", "--season", "8", "--hidden-size", "8", "--train.max-steps", "4"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    small_frame(count=2).rename(columns={"unique_id": "shop", "ds": "day", "y": "sales"}).to_csv(path, index=False)
    return path


@pytest.fixture
def trained(table, tmp_path, capsys):
    columns = ["--id", "shop", "--time", "day", "--target", "sales"]
    assert main(["forecast", "train", "--data", str(table), "--out", str(tmp_path / "run"), *columns, *SMALL]) == 0
    return tmp_path / "run"


def test_train_says_what_it_chose_and_what_to_do_next(trained, capsys):
    shown = capsys.readouterr().out
    assert "season 8" in shown
    assert "the linear forecast alone" in shown
    assert all(word in shown for word in ("on held-out steps", "MASE", "SeasonalNaive", "Theta"))
    assert f"holdfast forecast predict --data {trained.parent / 'table.csv'} --model {trained}" in shown


def test_predict_prints_a_forecast_and_draws_it(trained, table, tmp_path, capsys):
    capsys.readouterr()
    picture = tmp_path / "out.png"
    command = ["forecast", "predict", "--model", str(trained), "--data", str(table), "--level", "80"]
    assert main([*command, "--plot", str(picture)]) == 0
    forecast = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert forecast.columns.tolist() == ["unique_id", "ds", "LSTM", "LSTM-lo-80", "LSTM-hi-80"]
    assert len(forecast) == 8
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert main([*command, "--out", str(tmp_path / "out.csv")]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out.csv"), forecast)


@pytest.mark.parametrize(
    "wrong", [["--out", "none/out.csv"], ["--out", "."], ["--plot", "none/out.png"], ["--plot", "out.xyz"]]
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(wrong, table, tmp_path, capsys):
    flag, name = wrong
    command = ["forecast", "predict", "--model", str(tmp_path / "absent"), "--data", str(table)]
    assert main([*command, flag, str(tmp_path / name)]) == 2
    shown = capsys.readouterr().err
    assert any(word in shown for word in ("a folder that is there", "the ending"))


def test_evaluate_prints_the_baselines_too(trained, table, capsys):
    capsys.readouterr()
    assert main(["forecast", "evaluate", "--model", str(trained), "--data", str(table), "--windows", "2"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("MASE", "LSTM", "SeasonalNaive", "Theta", "coverage-80"))


def test_saved_settings_train_the_same_again(trained, table, tmp_path, capsys):
    again = tmp_path / "again"
    assert main(["forecast", "train", "--config", str(trained / "settings.yaml"), "--out", str(again)]) == 0
    assert (again / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_a_wrong_column_is_refused_with_its_name(table, tmp_path, capsys):
    command = ["forecast", "train", "--data", str(table), "--out", str(tmp_path / "run"), "--time", "date"]
    assert main(command) == 2
    assert "'date'" in capsys.readouterr().err
