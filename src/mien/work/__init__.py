"""Much to do: in processes of this machine or on a Dask cluster, each job all or nothing, a dead process an outcome."""

from .content import sha256, version
from .outcome import Outcome, Status, Tick, explain, interrupted
from .pool import Work, run
from .staging import leftovers, staging
from .watching import unworried

__all__ = ["Outcome", "Status", "Tick", "Work", "explain", "interrupted", "leftovers", "run", "sha256", "staging",
           "unworried", "version"]
