"""What other programs and devices wrote: OpenFace and py-feat tables, Empatica E4 folders, physiology in plain CSV.

Nothing is guessed where it could be wrong without being noticed: an error names the file, the line and what to give.
"""

from .action_units import ActionUnits, openface, pyfeat
from .empatica import Wristband, empatica
from .physiology import physiology

__all__ = ["ActionUnits", "Wristband", "empatica", "openface", "physiology", "pyfeat"]
