"""Metrics: classification, regression, calibration, and their confidence intervals."""
