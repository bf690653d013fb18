"""What other programs and devices wrote: OpenFace and py-feat tables, Empatica E4 folders, physiology in plain CSV.
`contact` brings the last two onto the clock of a video.

Nothing is guessed where it could be wrong without being noticed: an error names the file, the line and what to give.
"""

from .action_units import ActionUnits, main_face, openface, pyfeat
from .contact import Contact, contact
from .empatica import Wristband, empatica
from .physiology import physiology
from .tracks import PROGRAMS, Tracks, program, tracks

__all__ = ["PROGRAMS", "ActionUnits", "Contact", "Tracks", "Wristband", "contact", "empatica", "main_face",
           "openface", "physiology", "program", "pyfeat", "tracks"]
