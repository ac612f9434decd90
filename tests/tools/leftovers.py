"""What a lake's files should be: everything that some metadata of the catalog's tables names."""

from __future__ import annotations

import json
import pathlib
import sqlite3
import urllib.parse

from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import read_manifest_list

from tools import engine


def referenced(lake: engine.Lake) -> set[pathlib.Path]:
    """Metadata files (the current one and its log), manifest lists, manifests and data files, read with
    PyIceberg."""
    io = PyArrowFileIO()
    found: set[str] = set()
    with sqlite3.connect(f"file:{urllib.parse.quote(str(lake.catalog))}?mode=rw", uri=True) as db:
        locations = [r[0] for r in db.execute("select metadata_location from iceberg_tables")]
    for location in locations:
        path = pathlib.Path(engine.local_path(location))
        metadata = json.loads(path.read_bytes())
        found.add(str(path))
        found.update(engine.local_path(m["metadata-file"]) for m in metadata.get("metadata-log", []))
        for snapshot in metadata["snapshots"]:
            found.add(engine.local_path(snapshot["manifest-list"]))
            for manifest in read_manifest_list(io.new_input(snapshot["manifest-list"])):
                found.add(engine.local_path(manifest.manifest_path))
                for entry in manifest.fetch_manifest_entry(io, discard_deleted=False):
                    found.add(engine.local_path(entry.data_file.file_path))
    return {pathlib.Path(f) for f in found if pathlib.Path(f).exists()}
