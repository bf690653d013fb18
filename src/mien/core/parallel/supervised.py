"""Run a function in a child process with limits on memory and time: a crash there becomes an error of one line here.

Native code that reads foreign files (FFmpeg, SciPy's reader of MATLAB files, HDF5, EDFlib) may crash, hang or take all
memory when a file is damaged or hostile. No exception handler helps against that; another process does. We use loky's
executor, which joblib brings along, and add the limits.
"""

from __future__ import annotations

import faulthandler
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

Result = TypeVar("Result")

POLL = 0.25
"""s between two looks at a running child. Our choice: a progress bar moves smoothly at no cost."""

IDLE = 60.0
"""s after which an idle child ends and frees its memory. Our choice: files of a dataset follow each other sooner."""


class WorkerError(ValueError):
    """The child crashed, needed too long or was stopped. The text completes a sentence: 'a file at which ...'."""


class SupervisedWorker:
    """A child process that runs one function at a time; it starts with the first call, and again after it died.

    Args:
        memory: Most memory of the child in bytes (RLIMIT_DATA); beyond it, an allocation fails. Linux alone enforces
            it. None for no limit.
    """

    def __init__(self, memory: int | None = None) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._executor: Any = None
        self._rest = threading.Timer(IDLE, bool)

    def call(self, function: Callable[..., Result], *args: Any, seconds: float | None = None,
             stopped: Callable[[], bool] = bool) -> Result:
        """Run `function(*args)` in the child and return its result. Calls of other threads wait.

        A process that is already supervised (a worker of `run` or of this class) calls the function itself.

        Args:
            function: A function that can be pickled.
            *args: Its arguments.
            seconds: Longest time in s; the child is then killed. None for no limit.
            stopped: Asked every `POLL` s; the child is killed when it returns True.

        Raises:
            WorkerError: The child crashed, took longer than `seconds`, or was stopped.
            Exception: What the function raised.
        """
        if is_supervised():
            return function(*args)
        with self._lock:
            self._rest.cancel()
            try:
                return self._call(function, args, seconds, stopped)
            finally:
                self._rest_later()

    def _rest_later(self) -> None:
        """End the child after `IDLE` s. The executor's own time-out may end it as a call arrives, which then waits."""
        self._rest = threading.Timer(IDLE, self._close_if_idle)
        self._rest.daemon = True
        self._rest.args = (self._rest,)
        self._rest.start()

    def _close_if_idle(self, rest: threading.Timer) -> None:
        with self._lock:
            if rest is self._rest and not rest.finished.is_set():
                self.close()

    def close(self) -> None:
        """End the child, whatever it does."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)

    def _call(self, function: Callable[..., Result], args: tuple[Any, ...], seconds: float | None,
              stopped: Callable[[], bool]) -> Result:
        from concurrent.futures import wait

        from joblib.externals.loky.process_executor import BrokenProcessPool

        end = time.monotonic() + (seconds or float("inf"))
        try:
            future = self._started().submit(_quietly, function, args)
            while not wait([future], POLL).done:
                if stopped():
                    raise WorkerError("its reader was stopped")
                if time.monotonic() > end:
                    raise WorkerError(f"its reader needed more than {seconds:g} s")
            return future.result()
        except BrokenProcessPool as error:
            self.close()
            raise WorkerError(f"its reader crashed{_exit_codes(error)}") from error
        except (WorkerError, KeyboardInterrupt):
            self.close()
            raise

    def _started(self) -> Any:
        if self._executor is None:
            from joblib.externals.loky.process_executor import ProcessPoolExecutor

            self._executor = ProcessPoolExecutor(1, initializer=_begin, initargs=(os.getpid(), self._memory))
        return self._executor


def is_supervised() -> bool:
    """Whether this process is a worker whose death another process notices."""
    return bool(_supervised)


def mark_supervised(parent: int | None) -> None:
    """Declare this process a supervised worker.

    Args:
        parent: The id of the process that started it: it ends with that process. None on a cluster.
    """
    _supervised.add(os.getpid())
    if parent is not None and sys.platform != "win32":  # there, a virtual environment's launcher is the parent
        _exit_with_parent(parent)


_supervised: set[int] = set()


def _begin(parent: int, memory: int | None) -> None:
    """Prepare a new child. What native code prints on its standard output (EDFlib does) is not for the user's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    mark_supervised(parent)
    if memory is not None and sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        with suppress(ValueError, OSError):  # no core dump of somebody's video
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _quietly(function: Callable[..., Result], args: tuple[Any, ...]) -> Result:
    faulthandler.disable()  # loky enables it; a crash is reported by the parent, in one line
    return function(*args)


def local_processes(**how: Any) -> Any:
    """Make joblib's pool of processes; they end with this one, even before their first job.

    Args:
        **how: arguments of `joblib.Parallel`.

    Returns:
        The pool, to be called with the jobs.
    """
    from joblib import Parallel

    try:
        return Parallel(**how, backend="loky", initializer=_exit_with_parent, initargs=(os.getpid(),))
    except TypeError:  # joblib before 1.6: a process without a job outlives a killed parent by up to 5 minutes
        return Parallel(**how, backend="loky")


@lru_cache(maxsize=1)
def _exit_with_parent(parent: int) -> None:
    """End this process when its parent is gone: it would wait for work and keep its memory."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _exit_codes(error: BaseException) -> str:
    """The signal that ended the child, such as ' (SIGSEGV(-11))', where loky names it."""
    match = re.search(r"\{([A-Z0-9()\-, ]+)\}", str(error))
    return f" ({match[1]})" if match else ""
