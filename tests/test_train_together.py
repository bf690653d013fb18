"""Two processes that share a batch learn what one learns from it: dropout, other views and hidden pulses included."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import together
from mien.checkpoints.card import WEIGHTS
from mien.models.distributed_loss import DistributedBatch, Dropout, cross_entropy, per_row_cross_entropy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> Path:
    """What two processes made of every training, by Fabric's launcher, gloo and 127.0.0.1."""
    out = tmp_path_factory.mktemp("both")
    done = subprocess.run([sys.executable, together.__file__, out], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"})
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """(folder, losses of each trial step by step by method) of one process."""
    out = tmp_path_factory.mktemp("alone")
    return out, {method: together.run(method, out / method) for method in together.RECIPE}


def reported(both: Path) -> list[dict]:
    return [json.loads((both / f"{rank}.json").read_text()) for rank in (0, 1)]


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Without the biases of keys: attention is blind to them, their gradient is rounding that Adam makes steps of."""
    result = load_file(run / "last" / WEIGHTS)
    for name in result:
        if name.endswith("kv.bias"):
            parts = result[name].chunk(3 if name.endswith("qkv.bias") else 2)
            result[name] = torch.cat([*parts[: len(parts) - 2], parts[-1]])
    return result


def largest_difference(a: Path, b: Path) -> float:
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@pytest.mark.parametrize("method", [name for name in together.RECIPE if name != "rating"])
def test_every_trial_has_the_same_loss_in_every_step(both, alone, method):
    parts = [part[method] for part in reported(both)]
    assert len(alone[1][method]) == together.STEPS
    for full, *shares in zip(alone[1][method], *parts, strict=True):
        result = [row for pair in zip(*shares, strict=True) for row in pair]
        assert len(result) == together.BATCH
        assert [name for name, _ in result] == [name for name, _ in full]
        np.testing.assert_allclose([loss for _, loss in result], [loss for _, loss in full], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", list(together.RECIPE))
def test_the_weights_and_the_log_are_those_of_one_process(both, alone, method):
    assert largest_difference(both / method, alone[0] / method) < 5e-5
    for a, b in zip(rows(both / method), rows(alone[0] / method), strict=True):
        assert float(a["gradient"]) == pytest.approx(float(b["gradient"]), rel=1e-4)
        for part in a["parts"].split():  # norms of each loss's gradient are of one process alone
            name, value = part.split("=")
            theirs = dict(item.split("=") for item in b["parts"].split())
            assert float(value) == pytest.approx(float(theirs[name]), rel=1e-4, abs=1e-5)


def test_losses_that_compare_people_would_differ_in_processes_that_do_not_gather(both, alone):
    assert largest_difference(both / "apart", alone[0] / "scpt") > 1e-4
    first, last = rows(both / "apart")[-1], rows(alone[0] / "scpt")[-1]
    assert abs(float(first["loss"]) - float(last["loss"])) > 1e-3


def test_one_process_resumes_a_training_of_two(both, alone):
    assert not (both / "pulled" / "last").exists()
    together.run("duse", both / "pulled")
    assert largest_difference(both / "pulled", alone[0] / "duse") < 5e-5
    assert [row["step"] for row in rows(both / "pulled")] == ["1", "2", "3"]


def test_a_loss_that_is_not_finite_is_reported_by_every_process_of_the_whole_batch(both, alone):
    first, second = (part["spoilt"] for part in reported(both))
    assert first == second
    assert "step 1: expected a finite loss, got nan" in first
    batch = ", ".join(name for name, _ in alone[1]["duse"][0])
    assert f"for the trials {batch}; of these duse07 alone gave outputs that are not finite" in first


# ---------------------------------------------------------------------------------------------- the parts

def test_distributed_draws_equal_those_of_one_process():
    torch.manual_seed(0)
    full = torch.rand(3, 6, 2)
    for rank in (0, 1, 2):
        torch.manual_seed(0)
        assert torch.equal(DistributedBatch(rank, 3).draw(torch.rand, 3, 2, 2, axis=1), full[:, rank::3])


def test_dropout_takes_from_a_row_what_it_would_lose_in_one_process():
    layer, value = Dropout(0.4), torch.rand(6, 500, 3) + 1
    torch.manual_seed(1)
    full = layer(value)
    lost = float((full == 0).float().mean())
    assert lost == pytest.approx(0.4, abs=0.02)
    torch.testing.assert_close(full[full != 0], (value / 0.6)[full != 0])
    for rank in (0, 1):
        layer.share = DistributedBatch(rank, 2)
        torch.manual_seed(1)
        assert torch.equal(layer(value[rank::2]), full[rank::2])
    assert layer.eval()(value) is value


def test_a_mean_over_processes_of_unequal_weight_is_the_mean_over_rows():
    """Against torch's own cross entropy of the rows that count, of a batch of which one process has most that count."""
    from mien.core.batch import Batch

    logits, target = torch.randn(8, 3, dtype=torch.float64), torch.arange(8) % 3
    weight = torch.tensor([1.0, 9, 1, 9, 1, 9, 1, 9], dtype=torch.float64)
    known = torch.tensor([True, False, True, False, True, True, True, False])
    result = []
    for rank in (0, 1):
        share = DistributedBatch(rank, 2, lambda _: weight * known)
        batch = Batch(target=target[rank::2], weight=weight[rank::2])
        result.append(cross_entropy(logits[rank::2], batch, share, known=known[rank::2]))
    losses = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    want = np.average(losses[known].numpy(), weights=weight[known].numpy())
    assert float(torch.stack(result).mean()) == pytest.approx(want, rel=1e-12)


def test_votes_are_learnt_as_shares():
    """Cross entropy against shares, by its definition; unanimous votes are a class."""
    from mien.core.batch import Batch

    logits, votes = torch.randn(4, 3), torch.tensor([[0.7, 0.2, 0.1], [1.0, 0, 0], [0, 0, 1.0], [0.5, 0.5, 0]])
    batch = Batch(target=torch.tensor([0, 0, 2, 1]), votes=votes)
    want = -(votes.numpy() * np.log(logits.double().softmax(-1).numpy())).sum(axis=1)
    np.testing.assert_allclose(per_row_cross_entropy(logits, batch).numpy(), want, rtol=1e-5)
    single = per_row_cross_entropy(logits, Batch(target=batch.target))
    torch.testing.assert_close(per_row_cross_entropy(logits, batch)[1:3], single[1:3])
    assert not torch.allclose(per_row_cross_entropy(logits, batch)[::3], single[::3])
