"""Read the results of `mien analyze` from its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mien.core.file_names import display_path, to_path
from mien.core.parquet import read_parquet
from mien.inference.batch.inputs import MANIFEST
from mien.inference.batch.manifest import read_manifest
from mien.reporting import summary
from mien.reporting.study import StudyRecording


def load_results(out: Path) -> tuple[list[StudyRecording], list[str]]:
    """Load all recordings of a folder of results.

    Args:
        out: The folder, with its manifest.json.

    Returns:
        The recordings, and the reason of each file that failed, after its name.

    Raises:
        ValueError: There is no manifest, or the results of a recording are missing or invalid.
    """
    entries = read_manifest(out)
    if not entries:
        raise ValueError(f"{out}: expected the results of mien analyze with their {MANIFEST}, got none; analyse the "
                         "recordings again")
    folders = [entry.folder for entry in entries]
    names = dict(zip(folders, _short_names(folders), strict=True))
    failed = [f"{names[entry.folder]}: {entry.reason}" for entry in entries if entry.status == "failed"]
    good = {entry.folder: entry for entry in entries if entry.status != "failed"}
    return [_load(out, entry.source, folder, names[folder]) for folder, entry in good.items()], failed


def _load(out: Path, source: str, folder: str, name: str) -> StudyRecording:
    place = out / to_path(folder)
    try:
        table = read_parquet(place / "timeline.parquet")
    except (OSError, ValueError) as error:
        raise ValueError(f"{place}: expected timeline.parquet, got none that can be read ({error}); analyse the "
                         "recording again with --overwrite") from error
    made = summary.read_summary(place / "summary.json")
    return StudyRecording(display_path(to_path(source)), name, table, made.settings, made.versions)


def _short_names(folders: list[str]) -> Iterator[str]:
    """Names to show: the paths without the folders that all share and, where they stay different, without suffix."""
    paths = [PurePosixPath(display_path(to_path(folder))) for folder in folders]
    shared = 0
    while all(len(path.parts) > shared + 1 and path.parts[shared] == paths[0].parts[shared] for path in paths):
        shared += 1
    short = [PurePosixPath(*path.parts[shared:]) for path in paths]
    plain = [path.with_suffix("") for path in short]
    return map(str, plain if len(set(plain)) == len(set(short)) else short)
