"""Who owns a lock or an unfinished folder: host and process, so that those of dead processes are recognised."""

from __future__ import annotations

import os
import platform
import uuid
from dataclasses import dataclass
from pathlib import Path

from mien.core.read_json import parse_json

LARGEST_PROCESS = 2**31
"""Process ids are below it."""


@dataclass(frozen=True)
class LockOwner:
    """Who holds a lock.

    Attributes:
        host: name of the machine.
        process: its id there.
        started: when the process started, as the system counts; 0 where it does not say.
        space: the system's name of the space in which the id counts, such as a container's.
        task: what the owner does, such as `training`.
        token: a random name of this lock.
    """

    host: str
    process: int
    started: int
    space: str
    task: str
    token: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"

    @property
    def is_dead(self) -> bool:
        """Whether the owner was a process of this machine that has ended."""
        if (self.host, self.space) != (platform.node(), process_space()):
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:  # it belongs to another user
            return False
        return self.started != start_of(self.process) or is_zombie(self.process)


def this_process(task: str) -> LockOwner:
    """This process as the owner of a new lock for a task, such as `training`."""
    return LockOwner(platform.node(), os.getpid(), start_of(os.getpid()), process_space(), task, uuid.uuid4().hex)


def read_owner(path: Path) -> LockOwner | None:
    """The owner that a file names; None without such a file, or if it names none."""
    try:
        if not path.is_file():
            return None
        owner = LockOwner(**parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    texts = (owner.host, owner.space, owner.task, owner.token)
    if not all(isinstance(text, str) for text in texts) or type(owner.started) is not int:
        return None
    return owner if type(owner.process) is int and 0 < owner.process < LARGEST_PROCESS else None


def process_space() -> str:
    """The system's name of the space in which process ids count; "" where the system has none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def is_zombie(process: int) -> bool:
    """Whether a process has ended and only waits for its parent to read its exit status."""
    return _status(process)[:1] == ["Z"]


def start_of(process: int) -> int:
    """When a process started, in ticks since the machine started; 0 where the system does not say."""
    fields = _status(process)
    return int(fields[19]) if fields else 0


def _status(process: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, the state first; none where the system does not say."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
