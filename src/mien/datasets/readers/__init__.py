"""Readers of third-party files: OpenFace and py-feat tables, Empatica E4 folders, and physiology in CSV.

`contact` synchronises physiology with a video. The readers do not guess: an error names the file, the line and the
missing option.
"""

from mien.datasets.readers.action_units import ActionUnits, main_face, openface, pyfeat
from mien.datasets.readers.au_tables import program
from mien.datasets.readers.au_tracks import PROGRAMS, AUTracks, tracks
from mien.datasets.readers.empatica import Wristband, empatica
from mien.datasets.readers.physiology import physiology
from mien.datasets.readers.physiology_sync import ContactSignals, contact_signals

__all__ = [
           "PROGRAMS",
           "AUTracks",
           "ActionUnits",
           "ContactSignals",
           "Wristband",
           "contact_signals",
           "empatica",
           "main_face",
           "openface",
           "physiology",
           "program",
           "pyfeat",
           "tracks",
]
