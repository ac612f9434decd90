"""Writers of PyIceberg, several at once: `NAME WRITERS COMMITS TABLE URI WAREHOUSE` → the ids committed, a line each."""

import datetime as dt
import sys
import threading

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException

name, writers, commits, table, uri, warehouse = sys.argv[1:]
when = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
said = threading.Lock()


def write(writer: int) -> None:
    catalog = SqlCatalog("weir", uri=uri, warehouse=warehouse)
    for n in range(int(commits)):
        event_id = f"{name}-{writer}-{n}"
        values = {
            "event_id": event_id,
            "user_id": "p",
            "session_id": "p-0",
            "event_seq": 1,
            "event_time": when,
        }
        values |= {"session_start": when, "page_url": "/", "device": "desktop", "country": "ZZ"}
        while True:
            t = catalog.load_table(table)
            try:
                t.append(pa.Table.from_pylist([values], schema=t.schema().as_arrow()))
                break
            except CommitFailedException:  # others were quicker: nothing was committed
                continue
        with said:
            print(event_id, flush=True)


threads = [threading.Thread(target=write, args=(n,)) for n in range(int(writers))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
