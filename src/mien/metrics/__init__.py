"""Metrics of classes and ratings, with confidence intervals. Also tests of significance, agreement, mixed models."""
