"""Parallel jobs in local processes or on a Dask cluster; failed jobs and dead processes become outcomes."""

from mien.core.atomic_folders import leftovers, staging
from mien.core.hashing import sha256, version
from mien.core.parallel.outcome import Outcome, ProgressCallback, Status, attempt, interrupted, one_line_error
from mien.core.parallel.polling import suppress_loky_warnings
from mien.core.parallel.pool import Work, run

__all__ = ["Outcome", "ProgressCallback", "Status", "Work", "attempt", "interrupted", "leftovers", "one_line_error",
           "run", "sha256", "staging", "suppress_loky_warnings", "version"]
