"""Published weights -> towers: a folder, a file or a hub id, in the layouts of `layouts`.

    image = load("openai/clip-vit-base-patch16", "clip-image")
    text = load("/weights/ViT-B-32.safetensors", "clip-text", act="quick_gelu")

Nothing is executed while reading: safetensors, or pickles under torch's `weights_only=True`.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
from collections.abc import Iterable
from pathlib import Path

import huggingface_hub
import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mien.towers.config import measure
from mien.towers.layouts import find
from mien.towers.plan import FIELDS, Kind
from mien.towers.tower import Tower, digest

_WEIGHTS = ("model.safetensors", "open_clip_model.safetensors", "model.safetensors.index.json",
            "pytorch_model.bin", "open_clip_pytorch_model.bin", "pytorch_model.bin.index.json")
_SMALL = ["config.json", "open_clip_config.json", "preprocessor_config.json", "tokenizer*.json", "vocab.json",
          "merges.txt", "special_tokens_map.json"]
_SAFE = ["model.safetensors", "open_clip_model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json"]
_PICKLED = ["pytorch_model*.bin", "open_clip_pytorch_model.bin", "pytorch_model.bin.index.json"]


def load(source: str | Path, kind: Kind, *, expect: str = "", revision: str | None = None, offline: bool = False,
         cache: str | Path | None = None, **changes: object) -> Tower:
    """Weights at `source` -> the frozen tower of `kind`, float32, in evaluation mode.

    `source`: a folder (config.json and weights, as transformers, open_clip and timm publish), a .safetensors, .pth, .pt
    or .bin file, or a hub id `owner/name`, which goes through the hub's cache (`revision`, `cache`; with `offline` only
    through it). `changes` name fields of `Plan` that a file without a config does not tell, such as `act="quick_gelu"`.
    `expect`: the sha256 that the tower must have (`digest`). Raises FileNotFoundError or ValueError: what was expected,
    what came, what to do.
    """
    if unknown := set(changes) - FIELDS:
        raise ValueError(f"load: expected fields of Plan, got {sorted(unknown)}: see mien.towers.Plan")
    place = locate(source, revision=revision, offline=offline, cache=cache)
    folder, files = _files(place)
    tensors = _Tensors(files)
    names = find(tensors.places, kind, place.name)
    ours = {name: _stack(tensors, theirs, name in names.turned) for name, theirs in names.theirs.items()}
    with torch.device("meta"):
        tower = Tower(measure(ours, kind, names, folder, changes))
    _fill(tower, ours, place.name)
    tower.source, tower.hash, tower.told = str(source), digest(tower), tensors.told
    if expect and tower.hash != expect:
        raise ValueError(f"{source}: expected the {kind} tower with sha256 {expect[:16]}..., got {tower.hash[:16]}...: "
                         "load the weights that the checkpoint was trained on")
    return tower.requires_grad_(False).eval()


def locate(source: str | Path, *, revision: str | None = None, offline: bool = False,
           cache: str | Path | None = None) -> Path:
    """A path, or a hub id -> the path of its snapshot in the hub's cache, downloaded where it is not there yet."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)) or path.suffix in (".safetensors", ".pth", ".pt", ".bin"):
        raise FileNotFoundError(f"{source}: expected a folder, a weights file or a hub id owner/name, found none: "
                                "check the spelling")
    try:
        for patterns in (_SMALL + _SAFE, _SMALL + _PICKLED):
            folder = Path(huggingface_hub.snapshot_download(
                str(source), revision=revision, cache_dir=cache, local_files_only=offline, allow_patterns=patterns))
            if any((folder / name).exists() for name in _WEIGHTS):
                return folder
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(f"{source}: expected a folder here or a repository on the hub, got: {_first(error)}. "
                                "Check spelling and network, or download it first and give the folder") from error
    raise FileNotFoundError(f"{source}: expected one of {', '.join(_WEIGHTS)} in the repository, got none of them")


class _Tensors:
    """Names of a checkpoint -> tensors, read from disk when they are asked for."""

    def __init__(self, files: Iterable[Path]):
        self.places: dict[str, object] = {}
        self.told: dict[str, str] = {}
        for file in files:
            if file.suffix == ".safetensors":
                opened = _open_safe(file)
                self.places |= dict.fromkeys(opened.keys(), opened)
                self.told |= opened.metadata() or {}
            else:
                self.places |= _open_pickle(file)

    def __getitem__(self, name: str) -> Tensor:
        place = self.places[name]
        return (place if isinstance(place, Tensor) else place.get_tensor(name)).float()  # type: ignore[attr-defined]


def _open_safe(file: Path):
    try:
        return safe_open(file, framework="pt")
    except SafetensorError as error:
        raise ValueError(f"{file}: expected a whole safetensors file, got {error}: download it again") from error


def _open_pickle(file: Path) -> dict[str, Tensor]:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # the options that MAE-style files carry along
            found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(f"{file}: expected a file of tensors only, as torch.save(model.state_dict()) writes, got: "
                         f"{_first(error)}. Download it again, or convert a TorchScript or "
                         "whole-model file to safetensors") from error
    for key in ("state_dict", "model", "module"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not any(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"{file}: expected a dict of tensors, got {type(found).__name__}: save the state_dict")
    return {name.removeprefix("module."): value for name, value in found.items() if isinstance(value, Tensor)}


def _first(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _files(place: Path) -> tuple[Path, list[Path]]:
    """A folder or file -> the folder that a config may stand in, and the files with weights."""
    if place.is_file() and not place.name.endswith(".index.json"):
        return place.parent, [place]
    found = [place] if place.is_file() else [place / name for name in _WEIGHTS if (place / name).exists()]
    if not found:
        raise FileNotFoundError(f"{place}: expected one of {', '.join(_WEIGHTS)} in this folder, got none of them")
    if not found[0].name.endswith(".index.json"):
        return found[0].parent, found[:1]
    files = sorted(set(json.loads(found[0].read_text())["weight_map"].values()))
    missing = [name for name in files if not (found[0].parent / name).exists()]
    if missing:
        raise FileNotFoundError(f"{found[0]}: expected its parts beside it, {missing} is not there: download it again")
    return found[0].parent, [found[0].parent / name for name in files]


def _stack(tensors: _Tensors, theirs: tuple[str, ...], turned: bool) -> Tensor:
    """Tensors by their names, one or query, key and value -> one tensor."""
    found = [tensors[name] if name else None for name in theirs]
    size = next(value for value in found if value is not None)
    parts = [torch.zeros_like(size) if value is None else value for value in found]
    whole = torch.cat(parts) if len(parts) > 1 else size
    return whole.T.contiguous() if turned else whole


def _fill(tower: Tower, ours: dict[str, Tensor], file: str) -> None:
    """The tensors take the places of the tower's empty ones; every place must be filled, in its own shape."""
    ready = {}
    if extra := sorted(set(ours) - set(tower.state_dict())):
        raise ValueError(f"{file}: expected a plain {tower.plan.kind} tower, got {extra} too: use another checkpoint")
    for name, empty in tower.state_dict().items():
        if name in ours:
            value = ours[name]
        elif name.endswith("qkv.bias"):
            value = torch.zeros(empty.shape)  # published without biases
        else:
            raise ValueError(f"{file}: expected a tensor for {name}, found none: the file is not whole")
        if name in ("embed.cls", "embed.positions"):
            value = value.reshape(value.shape[-2:] if name.endswith("positions") else -1)
        if value.shape != empty.shape:
            raise ValueError(f"{file}: expected {name} of {tuple(empty.shape)}, got {tuple(value.shape)}: the config "
                             "beside it belongs to another model")
        ready[name] = value
    tower.load_state_dict(ready, assign=True)
