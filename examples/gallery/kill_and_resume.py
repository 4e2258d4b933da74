"""Kill a run, and find nothing missing.

A run that dies resumes where it stopped. This one is killed without warning, again and again, by signal 9, and
its store of codes still has the same bytes as that of a run that was left alone.
"""

import sys
from pathlib import Path

print(sys.argv, Path())
