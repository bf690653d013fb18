"""Find the weights in a folder, and the tensors in a file, however people named and nested them.

Reading executes no code: classes in a pickle that torch does not know are replaced by empty placeholders.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mien.core.plain_text import is_plain_name
from mien.core.read_json import read_json

WEIGHTS = ("model.safetensors", "open_clip_model.safetensors", "model.safetensors.index.json",
           "pytorch_model.bin", "open_clip_pytorch_model.bin", "pytorch_model.bin.index.json")
"""Names of published weights, best first."""

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".tar", ".pkl")
"""Suffixes of files that torch.save wrote."""

PREFERRED = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params")
"""Names of the dictionary with the weights, best first, where several may be meant."""

AVERAGES = frozenset(("ema", "swa", "averaged", "average", "shadow", "polyak"))
"""Words in names of dictionaries with a moving average of the weights, which is taken only where nothing else is there.
Our choice: the raw weights are what a reader of `model` or `state_dict` expects."""

COMPLETE = 0.5
"""Least number of tensors of a dictionary, as a share of the largest one, to be complete weights. Our choice: an
average or a copy for another device has as many, a head or statistics a tenth."""

OTHERS = ("optim", "sched", "scaler", "buffer")
"""Parts of names of dictionaries whose tensors are no weights."""

_UNKNOWN = re.compile(r"GLOBAL (\S+) was not an allowed global")  # as torch names a class that it does not know

MOST_CLASSES = 50
"""Unknown classes in a pickle that are replaced."""

LFS = b"version https://git-lfs"
"""How a pointer of Git LFS begins."""

DEEPEST = 8
"""Levels of dictionaries that are searched."""


class _Placeholder:
    """Stands for an object of an unknown class in a pickle."""

    def __init__(self, *args: object, **options: object) -> None:
        """Ignore the arguments of the real class."""

    def __setstate__(self, state: object) -> None:
        """Ignore the state of the real object."""


def find_weights(path: Path) -> tuple[Path, list[Path], str]:
    """Find the files with weights.

    Args:
        path: a file, or a folder.

    Returns:
        The folder that may have a config, the files, and a phrase on a file under no published name, "" without one.

    Raises:
        FileNotFoundError: there are no weights, or a part is missing.
        ValueError: several files may be meant, or an index names files outside its folder.
    """
    note = ""
    weights = path
    if not path.is_file():
        present = [path / name for name in WEIGHTS if (path / name).exists()]
        if present:
            weights = present[0]
        else:
            weights = _only_file(path)
            note = weights.name
    folder = weights.parent
    if weights.suffix != ".json":
        return folder, [weights], note
    names = _part_names(weights)
    for name in names:
        if not is_plain_name(name):
            raise ValueError(f"{weights}: expected names of files beside it, got {name!r}: use another checkpoint")
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise FileNotFoundError(f"{weights}: expected its parts next to it, {missing} is missing: download it again")
    return folder, [folder / name for name in names], note


def _part_names(index: Path) -> list[str]:
    """The files of an index, each once. Raises ValueError where it lists none."""
    content = read_json(index, "download it again")
    names = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(names, dict) or not names:
        raise ValueError(f"{index}: expected a weight_map with the file of each tensor, got none: download it again")
    return sorted(set(map(str, names.values())))


def _only_file(folder: Path) -> Path:
    """The only file with weights in a folder without a published name: an index, safetensors, or a pickle."""
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    indices = [path for path in files if ".index" in path.name and path.suffix == ".json"]
    parts = {name for path in indices for name in _names_in(path)}
    safe = [path for path in files if path.suffix.lower() == ".safetensors" and path.name not in parts]
    pickled = [path for path in files if path.suffix.lower() in PICKLED and path.name not in parts]
    if not safe and not pickled and not indices:
        safe = [path for path in files if is_safetensors(path)]
        pickled = [path for path in files if _is_pickle(path)]
    for kind in (safe, [path for path in indices if ".safetensors" in path.name], pickled, indices):
        if len(kind) == 1:
            return kind[0]
        if kind:
            names = ", ".join(path.name for path in kind)
            raise ValueError(f"{folder}: expected one file with weights, got {names}: name the file instead of the "
                             "folder")
    raise FileNotFoundError(f"{folder}: expected one of {', '.join(WEIGHTS)} in this folder, or one other "
                            ".safetensors, "
                            ".bin, .pt, .pth or .ckpt file, got none of them")


def is_safetensors(file: Path) -> bool:
    """Whether a file begins as safetensors: the length of a JSON object, then the object."""
    with file.open("rb") as opened:
        head = opened.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= file.stat().st_size


def _is_pickle(file: Path) -> bool:
    """Whether a file begins as those of torch.save: a zip archive, or a pickle of protocol 2 or later."""
    with file.open("rb") as opened:
        head = opened.read(4)
    return head == b"PK\x03\x04" or (head[:1] == b"\x80" and 2 <= int.from_bytes(head[1:2]) <= 5)


def _names_in(index: Path) -> list[str]:
    try:
        return [str(name) for name in read_json(index, "download it again")["weight_map"].values()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def open_safe(file: Path) -> Any:
    """Open a safetensors file. Raises ValueError if it is damaged."""
    expect_weights(file)
    try:
        return safe_open(file, framework="pt")
    except SafetensorError as error:
        raise ValueError(f"{file}: expected a whole safetensors file, got a damaged one: download it again") from error


def expect_weights(file: Path) -> None:
    """Check that a file is none of those that are often saved in place of weights.

    Args:
        file: the file.

    Raises:
        ValueError: it is empty, a pointer of Git LFS, a web page, or a zip archive that torch did not write.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        head = opened.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not file.stat().st_size:
        raise ValueError(f"{file}: expected weights, got an empty file: download it again")
    if head.startswith(LFS):
        raise ValueError(f"{file}: expected weights, got the pointer of Git LFS: run git lfs pull")
    if re.match(rb"<(?:!doctype|html|head|\?xml)", head, re.IGNORECASE):
        raise ValueError(f"{file}: expected weights, got a web page: download the file itself, not its page")
    if head.startswith(b"PK") and not _is_written_by_torch(file):
        raise ValueError(f"{file}: expected weights, got a zip archive that torch did not write: unpack it, or "
                         "download it again")


def _is_written_by_torch(file: Path) -> bool:
    """Whether a zip archive holds the pickle of torch.save; a damaged archive may."""
    if not zipfile.is_zipfile(file):
        return True
    with zipfile.ZipFile(file) as packed:
        return any(PurePosixPath(name).name in ("data.pkl", "constants.pkl") for name in packed.namelist())


def open_pickle(file: Path) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a file that torch.save wrote.

    Returns:
        The tensors by name, and the names of the dictionaries that they were found in, "" for the outermost. Other
        dictionaries that may be meant are named behind them.

    Raises:
        ValueError: the file is damaged, of another kind, or holds no dictionary of tensors.
    """
    expect_weights(file)
    if _is_torchscript(file):
        raise ValueError(f"{file}: expected a file of tensors, got a TorchScript program: save its state_dict()")
    content = _load(file)
    candidates = [(path, tensors) for path, tensors in _tensor_dicts(content, ())
             if not any(other in name.lower() for name in path for other in OTHERS)]
    if not candidates:
        got = "a whole model" if isinstance(content, _Placeholder) else type(content).__name__
        raise ValueError(f"{file}: expected a dict of tensors, got {got}: save the state_dict()")
    most = max(len(tensors) for _, tensors in candidates)
    complete = sorted((each for each in candidates if len(each[1]) >= COMPLETE * most), key=_preference)
    (path, tensors), *others = complete
    place = " > ".join(path)
    if others:
        named = ", ".join(f"{' > '.join(names) or 'the outermost'} ({len(other)} tensors)" for names, other in others)
        place = f"{place or 'the outermost'} ({len(tensors)} tensors), not {named}: to use another, save it alone"
    return {name.removeprefix("module."): value for name, value in tensors.items()}, place


def _preference(candidate: tuple[tuple[str, ...], dict[str, Tensor]]) -> tuple[bool, int, int, int]:
    """Less is better: raw weights before averages, then the usual names, more tensors, and outer dictionaries."""
    path, tensors = candidate
    words = {word for name in path for word in re.split(r"[^a-z]+", name.lower())}
    return bool(words & AVERAGES), _rank(path), -len(tensors), len(path)


def _rank(path: tuple[str, ...]) -> int:
    if not path or path[-1] not in PREFERRED:
        return len(PREFERRED)
    return PREFERRED.index(path[-1])


def _tensor_dicts(content: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Yield every dictionary that holds tensors, with the names of those around it."""
    if isinstance(content, list | tuple) and len(content) <= MOST_CLASSES:
        content = {str(number): value for number, value in enumerate(content) if isinstance(value, Mapping)}
    if not isinstance(content, Mapping) or len(path) > DEEPEST:
        return
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if tensors:
        yield path, tensors
    for name, value in content.items():
        yield from _tensor_dicts(value, (*path, str(name)))


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as packed:
        return any(PurePosixPath(name).name == "constants.pkl" for name in packed.namelist())


def _load(file: Path) -> object:
    unknown: list[str] = []
    try:
        for _ in range(MOST_CLASSES):
            placeholders = [(type("Placeholder", (_Placeholder,), {}), name) for name in unknown]
            try:
                with torch.serialization.safe_globals(placeholders):  # type: ignore[arg-type]
                    return torch.load(file, map_location="cpu", weights_only=True)
            except pickle.UnpicklingError as error:
                name = _UNKNOWN.search(str(error))
                if name is None or name[1] in unknown:
                    raise
                unknown.append(name[1])
        raise ValueError(f"more than {MOST_CLASSES} unknown classes")
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, AttributeError, KeyError, OSError
            ) as error:  # OSError: a cut file makes torch seek before its beginning
        raise ValueError(f"{file}: expected a whole file of tensors, as torch.save(model.state_dict()) writes, got one "
                         "that is damaged or holds other objects: download it again, or convert it to safetensors"
                         ) from error
