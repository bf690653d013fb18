"""Find the input files and choose a folder for the results of each.

A file's folder under DIR is its path relative to the current directory, without leading `..`: `talk.mp4` goes to
`DIR/talk.mp4/`, `../shared/a/x.mov` to `DIR/shared/a/x.mov/`. For a file on another drive of Windows it is the absolute
path with the drive's letter. The suffix stays, so `talk.mp4` and `talk.mov` do not collide. Two files still collide if
their names differ only in case, or if the folder contains another file or its results. The later file then gets `~`
and eight digits of the SHA-1 of its full path, always the same. Bytes that are not UTF-8 are written as \\xff.
"""

from __future__ import annotations

import glob
import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mien.core.file_names import display_path, to_path, to_text
from mien.inference.batch import done_file
from mien.video import image_sequences

SUFFIXES = image_sequences.SUFFIXES | frozenset(
    f".{name}"
    for name in (
        *("3g2", "3gp", "asf", "avi", "divx", "f4v", "flv", "gif", "m2ts", "m4v", "mjpeg", "mkv", "mov", "mp4", "mpeg"),
        *("mpg", "mts", "mxf", "ogv", "ts", "vob", "webm", "wmv"),
        *("avif", "heic", "heif", "jp2", "mpo"),  # pictures that FFmpeg reads, or that are refused with a reason
    )
)
"""Suffixes of videos and pictures in a folder, in any case. A file that the user names may have any suffix."""

FPS_HINT = "give it with --fps"
SINGLE_PICTURE_ERROR = (
    "expected an image sequence with --fps, got a single picture; name its folder or a pattern such as "
    "frame_%04d.png, or leave --fps out"
)

MANIFEST = "manifest.json"
PEOPLE = "people.csv"
SEGMENTS = "segments.csv"


@dataclass(frozen=True)
class InputFile:
    """One input file or image sequence.

    Args:
        path: Its path.
        folder: Folder of its results under DIR, with /.
        reason: Why it cannot be read; "" if it can.
        twin: An earlier input that is the same file, through a link; "" without one.
    """

    path: Path
    folder: str
    reason: str = ""
    twin: str = ""


def find_inputs(sources: Iterable[str | os.PathLike], out: str | os.PathLike, here: Path | None = None, *,
         sequence: bool = False) -> list[InputFile]:
    """Find the input files of a command, in order, each once. Raises nothing.

    Args:
        sources: Files, folders (with all folders in them), patterns such as `day1/*.mp4`, and image sequences such as
            `frame_%04d.png`.
        out: The folder of results. It is skipped in input folders, like hidden names and folders of earlier results.
        here: The current directory.
        sequence: Whether the pictures in a folder are one recording (with a given frame rate), not photos.

    Returns:
        The files; those that cannot be read have a reason.
    """
    here, out = here or Path.cwd(), Path(out)
    inputs: dict[str, InputFile] = {}
    first: dict[str, str] = {}
    owners: dict[str, str] = {_key(name): "" for name in (MANIFEST, PEOPLE, SEGMENTS)}
    for source in sources:
        for path, reason in _expand(os.fspath(source), here, os.path.realpath(out), sequence):
            absolute = os.path.abspath(path)
            if absolute in inputs:
                continue
            twin = first.setdefault(os.path.realpath(path), absolute)
            folder = _folder(absolute, here)
            if twin != absolute:
                inputs[absolute] = InputFile(path, folder, twin=twin)
                continue
            if not reason:
                folder = _unique_folder(absolute, folder, out, owners)
            inputs[absolute] = InputFile(path, folder, reason)
    return list(inputs.values())


def _expand(text: str, here: Path, out: str, sequence: bool) -> Iterator[tuple[Path, str]]:
    """Yield path and reason of every file that one argument of the command names."""
    if not text:
        yield here, "expected the path of a video, got an empty one"
        return
    path = here / text
    if not os.path.lexists(path) and glob.has_magic(text):
        matches = sorted(glob.glob(text, root_dir=here, recursive=True))
        if not matches:
            yield path, "expected files that match this pattern, got none; check the folder and the suffix"
        for match in matches:
            yield from _visit(here / match, out, set(), sequence)
    elif not os.path.isdir(path) and image_sequences.is_sequence(path):
        yield path, "" if sequence else f"expected the frame rate of these pictures, got none; {FPS_HINT}"
    else:
        yield from _visit(path, out, set(), sequence)


def _visit(path: Path, out: str, above: set[str], sequence: bool) -> Iterator[tuple[Path, str]]:
    """A file, or the videos of a folder; `above` are the parent folders, which break cycles of links."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            yield path, SINGLE_PICTURE_ERROR if sequence and image_sequences.is_picture(path.name) else ""
        elif stat.S_ISDIR(mode):
            yield from _folder_of_videos(path, out, above, sequence)
        else:
            yield path, "expected a file or a folder, got a device or a pipe; save the video as a file first"
    except FileNotFoundError:
        what = "a link to nothing" if os.path.islink(path) else "nothing at this path"
        yield path, f"expected a video file or a folder, got {what}; check the spelling"
    except OSError as error:
        yield path, f"expected a file or a folder that can be read, got: {error.strerror}; check its permissions"


def _folder_of_videos(folder: Path, out: str, above: set[str], sequence: bool) -> Iterator[tuple[Path, str]]:
    empty = True
    for path, reason in _walk(folder, out, above, sequence):
        empty = False
        yield path, reason
    if empty and not above:
        yield folder, f"expected at least one video or picture in this folder ({' '.join(sorted(SUFFIXES))}), got none"


def _walk(folder: Path, out: str, above: set[str], sequence: bool) -> Iterator[tuple[Path, str]]:
    real = os.path.realpath(folder)
    if real in above or (real == out and above):
        return
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    if done_file.NAME in names:  # results of an earlier run, which may contain an annotated video
        return
    if sequence and any(map(image_sequences.is_picture, names)):
        yield folder, ""
    for name in names:
        if name.startswith(".") or (
            sequence and image_sequences.is_picture(name)
        ):  # ._talk.mp4 of macOS is not a video
            continue
        path = folder / name
        if os.path.splitext(name)[1].lower() in SUFFIXES or os.path.isdir(path):
            yield from _visit(path, out, above | {real}, sequence)


def _folder(absolute: str, here: Path) -> str:
    try:
        parts = Path(os.path.relpath(absolute, here)).parts
    except ValueError:  # another drive of Windows
        parts = (os.path.splitdrive(absolute)[0].strip(":\\/").replace("\\", "/"), *Path(absolute).parts[1:])
    return to_path(display_path(PurePosixPath(*(part for part in parts if part != ".."))))


def _unique_folder(absolute: str, folder: str, out: Path, owners: dict[str, str]) -> str:
    """A folder that no other file uses, in this run or an earlier one; it is added to `owners`."""
    if not _free(absolute, folder, out, owners):
        folder += "~" + hashlib.sha1(os.fsencode(absolute)).hexdigest()[:8]
    owners[_key(folder)] = absolute
    return folder


def _free(absolute: str, folder: str, out: Path, owners: dict[str, str]) -> bool:
    if _key(folder) in owners or (os.path.lexists(out / folder) and not os.path.isdir(out / folder)):
        return False
    done = done_file.load_done(out / folder)
    return done is None or done.source == to_text(absolute) or done.same_content(absolute)


def _key(folder: str) -> str:
    """Folders with equal keys may be the same folder: file systems may ignore case or compose letters."""
    return unicodedata.normalize("NFC", display_path(folder)).casefold()
