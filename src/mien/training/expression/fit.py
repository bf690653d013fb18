"""Fit the head on simulated faces, and calibrate it on other simulated people."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from mien.face.expression_head import ExpressionHead
from mien.training.expression.simulate import SimulatedFaces, simulate
from mien.training.expression.statistics import FaceStatistics

_TEMPERATURES = np.geomspace(0.5, 3.0, 60)


@dataclass(frozen=True)
class HeadSettings:
    """How a head is trained. All of it is our choice.

    Args:
        faces: Simulated frames to learn from.
        held_out: Simulated frames for the temperature and the calibration error.
        hidden: Units of each hidden layer.
        epochs: Passes over the frames.
        batch: Frames in a step.
        rate: Largest learning rate.
        decay: Weight decay.
    """

    faces: int = 300_000
    held_out: int = 40_000
    hidden: int = 96
    epochs: int = 6
    batch: int = 1024
    rate: float = 4e-3
    decay: float = 1e-3


def fit_head(statistics: FaceStatistics, settings: HeadSettings | None = None, seed: int = 0
             ) -> tuple[ExpressionHead, dict[str, float]]:
    """Train and calibrate a head.

    Args:
        statistics: Of real faces.
        settings: How.
        seed: Of the simulation and the training.

    Returns:
        The head, and its figures on simulated people that it did not learn from: `ece`, `accuracy`, `temperature`.
    """
    settings = settings or HeadSettings()
    faces = simulate(statistics, settings.faces, seed)
    net = _train(faces, settings, seed)
    layers = [layer for layer in (*net.hidden, net.last) if isinstance(layer, nn.Linear)]
    head = ExpressionHead(tuple(layer.weight.detach().numpy().T.astype(np.float64) for layer in layers),
                          tuple(layer.bias.detach().numpy().astype(np.float64) for layer in layers), 1.0,
                          statistics.population, statistics.effects,
                          skip=net.skip.weight.detach().numpy().T.astype(np.float64))
    return calibrate(head, simulate(statistics, settings.held_out, seed + 1))


def calibrate(head: ExpressionHead, faces: SimulatedFaces) -> tuple[ExpressionHead, dict[str, float]]:
    """Choose the temperature that gives the lowest cross-entropy on the first half of `faces` (Guo et al. 2017,
    arXiv 1706.04599); the second half gives the figures."""
    target, half = faces.target, len(faces.target) // 2
    logits = np.log(np.maximum(head.of_features(faces.features), 1e-12))

    def probs(temperature: float) -> np.ndarray:
        return softmax(logits / temperature)

    def loss(temperature: float) -> float:
        return float(-(target[:half] * np.log(np.maximum(probs(temperature)[:half], 1e-12))).sum(axis=1).mean())

    best = min(_TEMPERATURES, key=loss)
    shown, drawn = probs(best)[half:], np.random.default_rng(0).random((half, 1))
    label = (target[half : 2 * half].cumsum(axis=1) < drawn).sum(axis=1)  # of a face that fits none: any class
    right = shown[:half].argmax(axis=1) == label
    figures = {"temperature": float(best), "accuracy": float(right.mean()),
               "ece": calibration_error(shown[:half].max(axis=1), right)}
    return replace(head, temperature=head.temperature * float(best)), figures


def softmax(logits: np.ndarray) -> np.ndarray:
    """logits (N, K) -> probabilities (N, K)."""
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    return scaled / scaled.sum(axis=1, keepdims=True)


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Naeini, Cooper & Hauskrecht 2015) of confidence (N,) against right (N,) bool."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[place == each].mean() - right[place == each].mean()) * (place == each).mean()
             for each in np.unique(place)]
    return float(np.sum(gaps))


class _Net(nn.Module):
    """Features (N, F) -> logits of the classes (N, K)."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.last, self.skip = nn.Linear(hidden, out), nn.Linear(width, out, bias=False)
        nn.init.zeros_(self.skip.weight)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(self.hidden(rows)) + self.skip(rows)
        return logits


def _train(faces: SimulatedFaces, settings: HeadSettings, seed: int) -> _Net:
    torch.manual_seed(seed)
    net = _Net(faces.features.shape[1], settings.hidden, faces.target.shape[1])
    rows, target = (torch.from_numpy(each.astype(np.float32)) for each in (faces.features, faces.target))
    steps = settings.epochs * (len(rows) // settings.batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=steps)
    for _ in range(settings.epochs):
        order = torch.randperm(len(rows))
        for batch in order[: len(rows) // settings.batch * settings.batch].split(settings.batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(rows[batch]), target[batch]).backward()
            optimizer.step()
            schedule.step()
    return net
