"""Forecast time series."""
