"""Unit tests of the package, with the libraries that `setup` installed; that the stack keeps the whole contract is
shown by `weir stack test pythonic`."""

import pathlib
import sys

STACK = pathlib.Path(__file__).resolve().parents[1]
LIBRARIES = list(STACK.glob(".venv/lib/python3*/site-packages"))
sys.path[:0] = [str(STACK), *map(str, LIBRARIES)]

if not LIBRARIES:
    print("skipped: stack pythonic is not set up (weir stack setup pythonic)", file=sys.stderr)
    collect_ignore_glob = ["test_*.py"]
