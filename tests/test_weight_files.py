"""One small CLIP, saved as people save theirs: each form loads, or one line says what to do."""

from __future__ import annotations

import argparse
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mien.backbones import load
from mien.backbones.save import save
from mien.backbones.tiny import tiny_tower


class Options:
    """A class that only the program of the training knows."""

    def __init__(self) -> None:
        self.rate = 0.1


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    save(tiny_tower("clip-image"), tiny_tower("clip-text"), folder, start=0, scale=4.6)
    return folder


OPTIMISER = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
NOISE = {f"layer{k}": torch.ones(1) for k in range(500)}

FORMS = {
    "{'model_state_dict': ..}": lambda w, d: torch.save({"model_state_dict": w, "epoch": 3}, d / "pytorch_model.bin"),
    "{'state_dict': .., 'best_acc': numpy}": lambda w, d: torch.save(
        {"state_dict": w, "best_acc": np.float64(0.7)}, d / "pytorch_model.bin"),
    "model.fp16.safetensors (hub variant)": lambda w, d: save_file(w, d / "model.fp16.safetensors"),
    "any one .safetensors in the folder": lambda w, d: save_file(w, d / "clip_vit.safetensors"),
    "config.json with a byte order mark": lambda w, d: (
        save_file(w, d / "model.safetensors"),
        (d / "config.json").write_text("\ufeff" + (d / "config.json").read_text(), encoding="utf-8")),
    # of other programs
    "net, four levels deep, with options": lambda w, d: torch.save(
        {"trainer": {"ckpt": {"net": {"weights": w}}}, "args": argparse.Namespace(a=1), "optimizer": OPTIMISER},
        d / "best.pth"),
    "objects of an unknown class": lambda w, d: torch.save({"module": w, "config": Options()}, d / "last.ckpt"),
    "a large optimiser beside it": lambda w, d: torch.save(
        {"net": w, "optim": {"state": NOISE}, "lr_schedulers": NOISE}, d / "run.pt"),
    "the old format of torch, with objects": lambda w, d: torch.save(
        {"net": w, "config": Options()}, d / "old.pt", _use_new_zipfile_serialization=False),
    "a list of dictionaries": lambda w, d: torch.save([{"net": w}, 3], d / "m.pth"),
    "a tuple with the epoch": lambda w, d: torch.save((w, 3), d / "m.pth"),
    "a suffix in capitals": lambda w, d: torch.save({"net": w}, d / "BEST.PTH"),
    "a pickle without a suffix": lambda w, d: torch.save({"net": w}, d / "checkpoint"),
    "safetensors without a suffix": lambda w, d: save_file(w, d / "weights"),
    "config.json in UTF-16": lambda w, d: (
        save_file(w, d / "model.safetensors"),
        (d / "config.json").write_text((d / "config.json").read_text(), encoding="utf-16")),
    "scalars among the tensors": lambda w, d: torch.save({**w, "epoch": 3, "best": 0.5}, d / "m.bin"),
    "DataParallel": lambda w, d: torch.save({"model": {f"module.{k}": v for k, v in w.items()}}, d / "m.pth"),
    "an index under another name": lambda w, d: (
        save_file(w, d / "clip-00001-of-00001.safetensors"),
        (d / "model.safetensors.index.fp16.json").write_text("\ufeff" + json.dumps(
            {"weight_map": dict.fromkeys(w, "clip-00001-of-00001.safetensors")}), encoding="utf-8")),
}


def fresh(first: Path, folder: Path) -> dict[str, torch.Tensor]:
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(first / name, folder)
    return load_file(first / "model.safetensors")


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_others_load_the_same_weights(first, tmp_path, name) -> None:
    FORMS[name](fresh(first, tmp_path), tmp_path)
    assert load(tmp_path, "clip-image").hash == load(first, "clip-image").hash


def test_load_names_the_weights_it_found(first, tmp_path) -> None:
    torch.save({"runs": {"net": fresh(first, tmp_path)}}, tmp_path / "best.pth")
    with pytest.warns(UserWarning, match=r"took best\.pth: runs > net"):
        assert load(tmp_path, "clip-image").metadata["found"] == "best.pth: runs > net"


def with_more(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {**{name: value + 1 for name, value in weights.items()}, "decay": torch.ones(1)}


@pytest.mark.parametrize(("content", "place"), [
    (lambda w: {"ema": with_more(w), "model": w}, "model"),
    (lambda w: {"model_ema": with_more(w), "net": w}, "net"),
    (lambda w: {"ema": {"state_dict": with_more(w)}, "model": {"state_dict": w}}, "model > state_dict"),
    (lambda w: {"swa_model": with_more(w), "weights_of_run": w}, "weights_of_run"),
    (lambda w: {**w, "ema_state_dict": with_more(w)}, "the outermost"),
    (lambda w: {"discriminator": with_more(w), "state_dict": w}, "state_dict"),
])
def test_raw_weights_come_before_an_average_with_more_tensors(first, tmp_path, content, place) -> None:
    torch.save(content(fresh(first, tmp_path)), tmp_path / "m.pt")
    with pytest.warns(UserWarning, match=rf"took m\.pt: {place} \(\d+ tensors\), not .* save it alone"):
        assert load(tmp_path, "clip-image").hash == load(first, "clip-image").hash


@pytest.mark.parametrize("name", ["ema", "model_ema", "averaged_model"])
def test_an_average_alone_is_taken_and_said(first, tmp_path, name) -> None:
    torch.save({name: fresh(first, tmp_path), "head": {"weight": torch.ones(2)}}, tmp_path / "m.pt")
    with pytest.warns(UserWarning, match=rf"took m\.pt: {name}$"):
        assert load(tmp_path, "clip-image").hash == load(first, "clip-image").hash


@pytest.mark.parametrize(("write", "why"), [
    (lambda w, d: (d / "model.bin").write_bytes(b"garbage"), "expected a whole file of tensors"),
    (lambda w, d: torch.save(torch.nn.Linear(2, 2), d / "model.pt"), r"got a whole model: save the state_dict\(\)"),
    (lambda w, d: zipfile.ZipFile(d / "model.pt", "w").writestr("model/constants.pkl", b""), "got a TorchScript "
                                                                                             "program"),
    (lambda w, d: torch.save({"epoch": 3}, d / "model.pt"), "expected a dict of tensors, got dict"),
    (lambda w, d: [save_file(w, d / f"{k}.safetensors") for k in "ab"], r"got a\.safetensors, b\.safetensors: name "
                                                                        r"the"),
    (lambda w, d: (d / "model.safetensors").write_bytes(b"\x08" * 40), "expected a whole safetensors file"),
    (lambda w, d: (d / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
     "run git lfs pull"),
    (lambda w, d: (d / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "../../secret.safetensors"}})), "expected names of files beside it"),
    (lambda w, d: (d / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "C:\\secret.safetensors"}})), "expected names of files beside it"),
    (lambda w, d: (d / "model.safetensors.index.json").write_text("[]"), "expected a weight_map"),
    *((lambda w, d, name=name: (d / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
       "got the pointer of Git LFS: run git lfs pull")
      for name in ("pytorch_model.bin", "best.pt", "clip.safetensors")),
    *((lambda w, d, name=name: (d / name).write_bytes(b""), "got an empty file: download it again")
      for name in ("pytorch_model.bin", "best.pt", "model.safetensors")),
    *((lambda w, d, name=name: (d / name).write_text("\n<!DOCTYPE html><html><body>404</body></html>"),
       "got a web page") for name in ("pytorch_model.bin", "best.pth", "model.safetensors")),
    (lambda w, d: zipfile.ZipFile(d / "best.pt", "w").writestr("weights/model.bin", b"x"),
     "got a zip archive that torch did not write"),
])
def test_load_reports_unreadable_weights_in_one_line(first, tmp_path, write, why) -> None:
    write(fresh(first, tmp_path), tmp_path)
    with pytest.raises(ValueError, match=why) as reported:
        load(tmp_path, "clip-image")
    assert "\n" not in str(reported.value)
    assert "\x1b" not in str(reported.value)


def test_a_pickle_runs_no_code(first, tmp_path) -> None:
    class Evil:
        def __reduce__(self):
            return exec, ("raise SystemExit('ran')",)

    torch.save({"net": fresh(first, tmp_path), "config": Evil()}, tmp_path / "m.pt")
    with pytest.raises(ValueError, match="expected a whole file of tensors"):
        load(tmp_path, "clip-image")
