"""One engine session for many runs: `weir run --stack NAME` as ever, but its `run` hands the job to a `serve`.

A stack that starts slowly can so be tested with a thousand small cases. The folder that WEIR_STACKS is set to
holds the stack's own stack.yaml and a `run` of ours: it writes the job's path into a pipe and waits for the
exit code.
"""

from __future__ import annotations

import atexit
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

RUN = """#!/bin/sh
here=$(dirname "$0")
mkfifo "$1.answer" && echo "$1" >"$here/jobs" && exec 3<"$1.answer" || exit 4
read -r code <&3
cat <&3 >&2
exit "$code"
"""


def _forward(stack: pathlib.Path, folder: pathlib.Path) -> None:
    server = subprocess.Popen([stack / "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.terminate)
    assert server.stdin and server.stdout
    while True:
        with open(folder / "jobs") as jobs:
            for job in jobs:
                print(job.strip(), file=server.stdin, flush=True)
                answer = server.stdout.readline()
                done = json.loads(answer) if answer else {"exit": 4, "error": "serve has ended"}
                with open(job.strip() + ".answer", "w") as back:
                    print(done["exit"], done["error"], sep="\n", file=back)


def stacks(stack: pathlib.Path) -> pathlib.Path:
    """The folder for WEIR_STACKS."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="weir-served-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    folder = root / stack.name
    folder.mkdir()
    shutil.copy(stack / "stack.yaml", folder)
    (folder / "run").write_text(RUN)
    (folder / "run").chmod(0o755)
    os.mkfifo(folder / "jobs")
    threading.Thread(target=_forward, args=(stack, folder), daemon=True).start()
    return root
