"""For every test below: imports of `reference`, `tools`, … from this folder, and temporary files in memory.

Runs fsync what they write; thousands of small ones would mostly wait for the disk. WEIR_TEST_TMP names another
place.
"""

import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

place = os.environ.get("WEIR_TEST_TMP", "/dev/shm")
if os.access(place, os.W_OK) and shutil.disk_usage(place).free > 2 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", place)
