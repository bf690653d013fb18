"""A process that may not speak to any other machine, and writes down whoever tries: `block` at its start."""

from __future__ import annotations

import ctypes
import platform
import sys
import traceback
from ipaddress import ip_address
from pathlib import Path

WATCHED = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0,
           "socket.gethostbyname": 0}
"""Events of sys.audit -> which argument holds the address."""

SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Machine -> its number in linux/audit.h and that of the system call socket."""

AF_INET, AF_INET6 = 2, 10
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of linux/bpf_common.h: a word at a place, jump if equal, return
ALLOW, KILL = 0x7FFF0000, 0x80000000  # of linux/seccomp.h


def local(address: object) -> bool:
    """Whether an address stays on this machine: of a file, of the loopback, or none."""
    host = address[0] if isinstance(address, tuple) else address
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return not isinstance(address, tuple) and host.startswith("/")


def block(log: Path, *, native: bool = True) -> None:
    """Refuse what Python sends elsewhere and write the attempt to `log`, for a library may swallow the refusal.

    native: on Linux, end the process with SIGSYS when compiled code opens a socket of the internet, loopback or not.
    """

    def hook(event: str, arguments: tuple) -> None:
        if event in WATCHED and not local(arguments[WATCHED[event]]):
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{event} {arguments[WATCHED[event]]}\n{''.join(traceback.format_stack())}\n")
            raise PermissionError(f"{event}: no network here, got {arguments[WATCHED[event]]}")

    sys.addaudithook(hook)
    if native and sys.platform == "linux" and platform.machine() in SOCKET:
        _kill_sockets(*SOCKET[platform.machine()])


class _Step(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.POINTER(_Step))]


def _kill_sockets(machine: int, call: int) -> None:
    """A filter of system calls (seccomp(2)): socket(AF_INET or AF_INET6, ...) ends the process; children inherit it."""
    steps = [(LOAD, 0, 0, 4), (EQUAL, 0, 6, machine), (LOAD, 0, 0, 0), (EQUAL, 0, 4, call), (LOAD, 0, 0, 16),
             (EQUAL, 1, 0, AF_INET), (EQUAL, 0, 1, AF_INET6), (RETURN, 0, 0, KILL), (RETURN, 0, 0, ALLOW)]
    array = (_Step * len(steps))(*(_Step(*step) for step in steps))
    program = _Program(len(steps), array)
    libc = ctypes.CDLL(None, use_errno=True)
    allowed = libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
    if not allowed:  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP with SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "expected a filter of system calls, the kernel refused it")
