"""Lets every test below import `reference` and `tools` from this folder, from whatever directory."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
