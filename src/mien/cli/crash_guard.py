"""Run a command in a child process, so that a crash of native code ends with a sentence and not without a word."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from mien.cli.console import print_line

GUARDED = ("analyze", "stream")
"""Commands that decode files or streams of others in their own process."""

PR_SET_PDEATHSIG = 1
"""Linux, prctl(2): the signal that a process gets when its parent ends."""

SI_KERNEL = 0x80
"""Linux, sigaction(2): a signal of the system, such as that of a key of the terminal, which the child gets as well."""


def guard(arguments: list[str]) -> None:
    """Go on in a child process if the command decodes files of others; Linux only.

    The parent waits and ends as the child did. If native code crashed, it prints one line and exits with 1.

    Args:
        arguments: the command line, without the program's name.
    """
    if not arguments or arguments[0] not in GUARDED or not hasattr(signal, "sigwaitinfo"):
        return
    watched = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    parent, detached = os.getpid(), not _has_terminal()
    child = os.fork()
    if not child:
        if detached:  # a signal to the group must not come twice, once directly and once passed on
            os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    _end_as(_status_of(child, watched, detached))


def _has_terminal() -> bool:
    """Whether a terminal controls this process: its keys stop and end the foreground group, which must be whole."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _status_of(child: int, watched: set[signal.Signals], detached: bool) -> int:
    """Wait for the end of a process; signals that did not reach it are passed on, to its group if it has its own."""
    while True:
        info = signal.sigwaitinfo(watched)
        if info.si_signo != signal.SIGCHLD:
            if detached:
                os.killpg(child, info.si_signo)
            elif info.si_code != SI_KERNEL:
                os.kill(child, info.si_signo)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status


def _end_as(status: int) -> None:
    if not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    if number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    got = "a crash of native code"
    if number == signal.SIGKILL:
        got = "a killed process (memory is the usual reason: see the system's log)"
    print_line(f"expected a file that can be decoded, got {got}, {signal.Signals(number).name}: finished files are "
               "kept; convert the one without a result with another program")
    sys.stderr.flush()
    os._exit(1)
