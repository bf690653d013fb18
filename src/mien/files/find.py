"""Which videos are meant, and where the results of each belong.

A file's folder under DIR is its path relative to the current directory, without leading `..` (from another drive of
Windows: its whole path, with the drive's letter): `talk.mp4` goes to `DIR/talk.mp4/`, `../shared/a/x.mov` to
`DIR/shared/a/x.mov/`. The suffix stays, so `talk.mp4` and `talk.mov` do not meet. Where two files would still meet
(letters that differ only in case; a folder that holds another file, or the results of one), the later one gets `~` and
eight digits of the SHA-1 of its full path behind its name, the same ones each time. Bytes that are no text are written
as \\xff.
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

from mien.files import record

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("3g2", "3gp", "asf", "avi", "divx", "f4v", "flv", "gif", "m2ts", "m4v", "mjpeg", "mkv", "mov", "mp4", "mpeg"),
        *("mpg", "mts", "mxf", "ogv", "ts", "vob", "webm", "wmv"),
    )
)
"""What counts as a video in a folder, whatever its case. A file that is named itself may have any suffix."""

MANIFEST = "manifest.json"
PEOPLE = "people.csv"
SEGMENTS = "segments.csv"


@dataclass(frozen=True)
class Found:
    """One file: `path` as it is opened, `folder` under DIR (with /), and `reason`: why it cannot be read, or nothing.

    `twin` names the file that this one only links to and that was named before it.
    """

    path: Path
    folder: str
    reason: str = ""
    twin: str = ""


def find(sources: Iterable[str | os.PathLike], out: str | os.PathLike, here: Path | None = None) -> list[Found]:
    """Files, folders (with all folders in them) and patterns -> the files that they mean, in order, each once.

    What cannot be read is in the list too, with its reason. Hidden names, folders of results and `out` itself are left
    out of folders. `here` is the current directory. Raises nothing.
    """
    here, out = here or Path.cwd(), Path(out)
    found: dict[str, Found] = {}
    first: dict[str, str] = {}
    owners: dict[str, str] = {_key(name): "" for name in (MANIFEST, PEOPLE, SEGMENTS)}
    for source in sources:
        for path, reason in _expand(os.fspath(source), here, os.path.realpath(out)):
            whole = os.path.abspath(path)
            if whole in found:
                continue
            twin = first.setdefault(os.path.realpath(path), whole)
            folder = _folder(whole, here)
            if twin != whole:
                found[whole] = Found(path, folder, twin=twin)
            else:
                found[whole] = Found(path, folder if reason else _own(whole, folder, out, owners), reason)
    return list(found.values())


def _expand(text: str, here: Path, out: str) -> Iterator[tuple[Path, str]]:
    """One argument of the command -> (path, reason) of every file that it means."""
    if not text:
        yield here, "expected the path of a video, got an empty one"
        return
    path = here / text
    if not os.path.lexists(path) and glob.has_magic(text):
        matches = sorted(glob.glob(text, root_dir=here, recursive=True))
        if not matches:
            yield path, "expected files that match this pattern, got none; check the folder and the suffix"
        for match in matches:
            yield from _one(here / match, out, set())
    else:
        yield from _one(path, out, set())


def _one(path: Path, out: str, above: set[str]) -> Iterator[tuple[Path, str]]:
    """A file, or the videos of a folder; `above` holds the folders that we are in, so that links make no circle."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            yield path, ""
        elif stat.S_ISDIR(mode):
            yield from _folder_of_videos(path, out, above)
        else:
            yield path, "expected a file or a folder, got a device or a pipe; save the video as a file first"
    except FileNotFoundError:
        what = "a link to nothing" if os.path.islink(path) else "nothing at this path"
        yield path, f"expected a video file or a folder, got {what}; check the spelling"
    except OSError as error:
        yield path, f"expected a file or a folder that can be read, got: {error.strerror}; check its permissions"


def _folder_of_videos(folder: Path, out: str, above: set[str]) -> Iterator[tuple[Path, str]]:
    any_yet = False
    for path, reason in _walk(folder, out, above):
        any_yet = True
        yield path, reason
    if not any_yet and not above:
        yield folder, f"expected at least one video in this folder ({' '.join(sorted(SUFFIXES))}), got none"


def _walk(folder: Path, out: str, above: set[str]) -> Iterator[tuple[Path, str]]:
    real = os.path.realpath(folder)
    if real in above or (real == out and above):
        return
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    if record.NAME in names:  # results of an earlier run: its annotated video is not to be analysed again
        return
    for name in names:
        if name.startswith("."):  # also the ._talk.mp4 that macOS leaves on a stick: no video in it
            continue
        path = folder / name
        if os.path.splitext(name)[1].lower() in SUFFIXES or os.path.isdir(path):
            yield from _one(path, out, above | {real})


def _folder(whole: str, here: Path) -> str:
    try:
        parts = Path(os.path.relpath(whole, here)).parts
    except ValueError:  # another drive of Windows
        parts = (os.path.splitdrive(whole)[0].strip(":\\/").replace("\\", "/"), *Path(whole).parts[1:])
    return record.shown(str(PurePosixPath(*(part for part in parts if part != ".."))))


def _own(whole: str, folder: str, out: Path, owners: dict[str, str]) -> str:
    """A folder that no other file has, in this run or from an earlier one; notes it in `owners`."""
    if not _free(whole, folder, out, owners):
        folder += "~" + hashlib.sha1(os.fsencode(whole)).hexdigest()[:8]
    owners[_key(folder)] = whole
    return folder


def _free(whole: str, folder: str, out: Path, owners: dict[str, str]) -> bool:
    if _key(folder) in owners or (os.path.lexists(out / folder) and not os.path.isdir(out / folder)):
        return False
    done = record.load(out / folder)
    return done is None or done.source == whole or done.same_content(whole)


def _key(folder: str) -> str:
    """Two folders of one key are one folder on a file system that ignores case, or composes letters."""
    return unicodedata.normalize("NFC", folder).casefold()
