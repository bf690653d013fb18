"""Load towers from published weights: a folder, a file or a hub id, in the formats of `layouts`.

    image = load("openai/clip-vit-base-patch16", "clip-image")
    text = load("/weights/ViT-B-32.safetensors", "clip-text", act="quick_gelu")

Reading executes no code: safetensors, or pickles with torch's `weights_only=True`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import huggingface_hub
import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from torch import Tensor

from mien.backbones.config import FIELDS, Kind
from mien.backbones.infer_config import infer_config
from mien.backbones.key_mapping import find_key_mapping
from mien.backbones.tower import Tower, weights_digest
from mien.backbones.weight_files import WEIGHTS, find_weights, is_safetensors, open_pickle, open_safe
from mien.core.plain_text import hub_reason

_SMALL = ["config.json", "open_clip_config.json", "preprocessor_config.json", "tokenizer*.json", "vocab.json",
          "merges.txt", "special_tokens_map.json"]
_SAFE = ["model.safetensors", "open_clip_model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json"]
_PICKLED = ["pytorch_model*.bin", "open_clip_pytorch_model.bin", "pytorch_model.bin.index.json"]


def load(source: str | Path, kind: Kind, *, expect: str = "", revision: str | None = None, offline: bool = False,
         cache: str | Path | None = None, **changes: object) -> Tower:
    """Load a frozen tower, float32, in evaluation mode.

    Args:
        source: a folder (config.json and weights, as transformers, open_clip and timm publish them, under any name if
            there is one file), a .safetensors, .pth, .pt, .ckpt or .bin file, or a hub id `owner/name`. The tensors of
            a pickle may be nested in other dictionaries; `metadata["found"]` of the tower says where.
        kind: the kind of tower.
        expect: the sha256 that the tower must have (`digest`), "" for any.
        revision: revision of a hub repository.
        offline: read the hub's cache only.
        cache: folder of the hub's cache.
        changes: fields of `BackboneConfig` that a file without a config does not state, such as `act="quick_gelu"`.

    Raises:
        FileNotFoundError: there are no weights at `source`.
        ValueError: the weights are not a plain tower of `kind`, or have another hash.
    """
    if unknown := set(changes) - FIELDS:
        raise ValueError(f"load: expected fields of a tower's plan, got {sorted(unknown)}: these are {sorted(FIELDS)}")
    path = locate(source, revision=revision, offline=offline, cache=cache)
    folder, files, note = find_weights(path)
    tensors = _Tensors(files)
    if note:
        tensors.metadata.setdefault("found", note)
    if "found" in tensors.metadata:
        warnings.warn(f"{source}: took {tensors.metadata['found']}", UserWarning, stacklevel=2)
    names = find_key_mapping(tensors.sources, kind, path.name)
    ours = {name: _stack(tensors, theirs, name in names.turned) for name, theirs in names.theirs.items()}
    with torch.device("meta"):
        tower = Tower(infer_config(ours, kind, names, folder, changes))
    _fill(tower, ours, path.name)
    tower.source, tower.hash, tower.metadata = str(source), weights_digest(tower), tensors.metadata
    if "logit_scale" in tensors.sources and kind.startswith(("clip", "siglip")):
        tower.scale = float(tensors["logit_scale"].exp())  # stored as its logarithm, as CLIP and SigLIP train it
    if "logit_bias" in tensors.sources and kind.startswith("siglip"):
        tower.bias = float(tensors["logit_bias"])
    if expect and tower.hash != expect:
        raise ValueError(f"{source}: expected the {kind} tower with sha256 {expect[:16]}..., got {tower.hash[:16]}...: "
                         "load the weights that the checkpoint was trained on")
    return tower.requires_grad_(False).eval()


def locate(source: str | Path, *, revision: str | None = None, offline: bool = False,
           cache: str | Path | None = None) -> Path:
    """Find weights; a hub id is downloaded if necessary.

    Args:
        source: a folder, a file, or a hub id `owner/name`.
        revision: branch, tag or commit of the hub; None for the newest.
        offline: whether to look only in the hub's cache.
        cache: folder of the hub's cache; None for the default.

    Returns:
        The local path.

    Raises:
        FileNotFoundError: `source` is neither a path nor a repository with weights.
    """
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
            if any((folder / name).exists() for name in WEIGHTS):
                return folder
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(f"{source}: expected a folder here or a repository on the hub, got: "
                                f"{hub_reason(error)}. Check spelling and network, or download it first and give the "
                                "folder") from error
    raise FileNotFoundError(f"{source}: expected one of {', '.join(WEIGHTS)} in the repository, got none of them")


class _Tensors:
    """The tensors of a checkpoint by name, read from disk on access."""

    def __init__(self, files: Iterable[Path]):
        self.sources: dict[str, object] = {}
        self.metadata: dict[str, str] = {}
        for file in files:
            if file.suffix.lower() == ".safetensors" or is_safetensors(file):
                opened = open_safe(file)
                self.sources |= dict.fromkeys(opened.keys(), opened)
                self.metadata |= opened.metadata() or {}
            else:
                tensors, place = open_pickle(file)
                self.sources |= tensors
                if place:
                    self.metadata["found"] = f"{file.name}: {place}"

    def __getitem__(self, name: str) -> Tensor:
        source = self.sources[name]
        if isinstance(source, Tensor):
            return source.float()
        return source.get_tensor(name).float()  # type: ignore[attr-defined]


def _stack(tensors: _Tensors, theirs: tuple[str, ...], turned: bool) -> Tensor:
    """Read a tensor, or concatenate query, key and value; an empty name stands for zeros."""
    present = {name: tensors[name] for name in theirs if name}
    zeros = torch.zeros_like(next(iter(present.values())))
    parts = [present.get(name, zeros) for name in theirs]
    joined = torch.cat(parts) if len(parts) > 1 else parts[0]
    if turned:
        joined = joined.T.contiguous()
    return joined


def _fill(tower: Tower, ours: dict[str, Tensor], file: str) -> None:
    """Assign the tensors to the empty tower. Raises ValueError unless every parameter gets a tensor of its shape."""
    ready = {}
    if extra := sorted(set(ours) - set(tower.state_dict())):
        raise ValueError(f"{file}: expected a plain {tower.plan.kind} tower, got {extra} too: use another checkpoint")
    for name, empty in tower.state_dict().items():
        if name in ours:
            value = ours[name]
        elif name.endswith("qkv.bias"):
            value = torch.zeros(empty.shape)  # published without biases
        else:
            raise ValueError(f"{file}: expected a tensor for {name}, found none: the file is incomplete")
        if name == "embed.cls":
            value = value.reshape(-1)
        if name == "embed.positions":
            value = value.reshape(value.shape[-2:])
        if value.shape != empty.shape:
            raise ValueError(f"{file}: expected {name} of {tuple(empty.shape)}, got {tuple(value.shape)}: the config "
                             "next to it belongs to another model")
        ready[name] = value
    tower.load_state_dict(ready, assign=True)
