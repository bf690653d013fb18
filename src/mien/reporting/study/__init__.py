"""A study: many people under the conditions of an experiment, as tables, tests, plots and one page.

`compute_study` makes every number once; the page, the tables and the plots show what it returns.
"""

from mien.reporting.study.compute import Study, StudyOptions, compute_study
from mien.reporting.study.participants import Assignment, ParticipantsError, read_participants
from mien.reporting.study.people import StudyRecording
from mien.reporting.study.write import write_study

__all__ = ["Assignment", "ParticipantsError", "Study", "StudyOptions", "StudyRecording", "compute_study",
           "read_participants", "write_study"]
