"""Locks of output folders: one command at a time writes to a folder, also from other hosts that share the disk.

The lock is a file in the folder with host, process and task. Its owner touches it at intervals, so the lock of a killed
process or of a host that is gone can be taken over.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from mien.core import atomic_files
from mien.core.lock_owner import LockOwner, read_owner, this_process
from mien.core.parallel.polling import call_periodically

NAME = ".mien-lock"

BEAT = 5.0
"""s between two touches of a lock."""

STALE = 60.0
"""s without a touch after which the owner on another host counts as dead. Our choice: twelve beats, so that a disk that
hangs for half a minute loses no lock."""

POLL = 0.5
"""s between two looks at a lock that is waited for."""


class FolderLockedError(ValueError):
    """Another command writes to the folder."""


_held: dict[str, tuple[int, int]] = {}
"""Folders that this process holds: process id (a fork inherits none), number of holders."""

_guard = threading.Lock()


@contextmanager
def folder_lock(folder: str | Path, task: str, *, wait: bool = False, sibling: bool = False,
                log: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a folder for a task. A process may hold a folder several times.

    Args:
        folder: the folder; it is made if it is missing, unless the lock lies beside it.
        task: what is done, for the message to others, such as `training`.
        wait: whether to wait for the owner instead of refusing.
        sibling: whether the lock lies beside the folder, which must stay empty until its content is complete.
        log: gets a line where a stale lock is taken over, and where another owner is waited for.

    Raises:
        FolderLockedError: another command holds the folder.
        OSError: the lock cannot be written.
    """
    key = os.path.realpath(folder)
    path = Path(key) / NAME
    if sibling:
        path = Path(key).with_name(f"{NAME}-{Path(key).name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _guard:
        process, count = _held.get(key, (0, 0))
        nested = process == os.getpid()
        if nested:
            _held[key] = (process, count + 1)
    if nested:
        try:
            yield
        finally:
            _release(key)
        return
    owner = this_process(task)
    acquired = False
    try:  # from the first attempt on: a Ctrl-C right after it must leave no lock
        _acquire(path, Path(key), owner, wait, log or (lambda line: None))
        with _guard:
            _held[key] = (os.getpid(), 1)
            acquired = True
        with call_periodically(BEAT, lambda: _touch(path, owner)):
            yield
    finally:
        if acquired:
            _release(key)
        if _read(path) == owner:
            path.unlink(missing_ok=True)


def remove_dead_lock(folder: Path) -> bool:
    """Remove the lock in a folder if its owner was a process of this machine that has ended; whether it did."""
    owner = _read(folder / NAME)
    return owner is not None and owner.is_dead and _take_over(folder / NAME, owner)


def _release(key: str) -> None:
    with _guard:
        process, count = _held.pop(key)
        if count > 1:
            _held[key] = (process, count - 1)


def _acquire(path: Path, folder: Path, owner: LockOwner, wait: bool, log: Callable[[str], None]) -> None:
    reported = False
    beats: dict[str, tuple[int, float]] = {}  # by token: the last beat, and when this process first saw it
    while not _create(path, owner):
        other = _read(path)
        beat = _beat(path)
        if other is None or beat is None:
            _remove_ownerless(path, folder, beat, log)
            time.sleep(POLL / 10)
            continue
        last, since = beats.get(other.token, (beat, time.monotonic()))
        moved = beat != last
        if moved:
            since = time.monotonic()
        beats[other.token] = (beat, since)
        still = time.monotonic() - since
        is_here = (other.host, other.space) == (owner.host, owner.space)
        if other.is_dead or (still > STALE and not is_here):
            if _take_over(path, other):
                why = "has ended" if other.is_dead else f"gave no sign for {still:.0f} s"
                log(f"{folder}: {other}, which was {other.task} here, {why}: its lock is taken over")
            continue
        if not wait and (is_here or moved):
            raise FolderLockedError(f"expected {folder} free for {owner.task}, got another command at work in it "
                                    f"({other.task}, {other}): wait for it, or name another folder")
        if not reported:
            log(f"{folder}: waiting for {other} ({other.task})")
            reported = True
        time.sleep(POLL)


def _remove_ownerless(path: Path, folder: Path, beat: int | None, log: Callable[[str], None]) -> None:
    """Remove a lock that names no owner: not of a lock, or half of one whose writer was killed.

    A young one stays, since its owner may be writing it. Raises OSError for a folder or a device in its place.
    """
    if path.is_symlink() and not path.exists():
        path.unlink(missing_ok=True)
        log(f"{folder}: the lock is a link to nothing: it is removed")
        return
    if path.exists() and not path.is_file():
        raise OSError(f"expected the lock {path} to be a file, got a folder or a device: remove it")
    age = 0.0 if beat is None else time.time() - beat / 1e9
    if abs(age) > STALE:  # the clock of another host may be ahead
        path.unlink(missing_ok=True)
        log(f"{folder}: the lock names no owner and was not touched for a minute: it is removed")


def _create(path: Path, owner: LockOwner) -> bool:
    """Write the lock unless there is one."""
    temporary = path.with_name(f"{NAME}.{owner.token}")
    try:
        temporary.write_text(json.dumps(asdict(owner)), encoding="utf-8")
        try:
            os.link(temporary, path)  # atomic, also on NFS
        except FileExistsError:
            return False
        except OSError:  # a disk without links
            return _create_exclusively(path, owner)
        return True
    except OSError as error:
        if error.errno in atomic_files.REMEDIES:
            expected, remedy = atomic_files.REMEDIES[error.errno]
            raise OSError(error.errno, f"cannot write {path}: expected {expected}, got {error.strerror!r}; {remedy}"
                          ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _create_exclusively(path: Path, owner: LockOwner) -> bool:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(owner)))
    return True


def _take_over(path: Path, other: LockOwner) -> bool:
    """Remove a stale lock; False if another process was faster."""
    aside = path.with_name(f"{NAME}.{uuid.uuid4().hex}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    if _read(aside) != other:  # another process took it over meanwhile, and this is its lock
        with suppress(OSError):
            os.link(aside, path)
        aside.unlink(missing_ok=True)
        return False
    aside.unlink(missing_ok=True)
    return True


def _touch(path: Path, owner: LockOwner) -> None:
    if _read(path) == owner:
        with suppress(OSError):  # the next touch may succeed
            os.utime(path)


def _read(path: Path) -> LockOwner | None:
    return read_owner(path)


def _beat(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
