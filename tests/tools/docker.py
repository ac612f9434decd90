"""A Docker engine and a registry of the tests' own, images made from this machine's files, and nothing left of them."""

from __future__ import annotations

import functools
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tools.engine import BINARY
from tools.postgres import free_port

USER = 10001
# What an image's /stack/run is made of.
VERSIONS = '[ "$1" = --versions ] && { echo \'{"fake": "1"}\'; exit 0; }\n'
NATIVE = 'exec /bin/weir run --job "$1"\n'


def missing() -> str:
    """What is not there for an engine of one's own; "" : all is."""
    if os.getuid():
        return "an engine of the tests' own needs root"
    for program in ("dockerd", "docker", "docker-registry"):
        if not shutil.which(program):
            return f"no {program} (scripts/setup --dev)"
    return ""


@dataclass
class Engine:
    folder: pathlib.Path
    process: subprocess.Popen[bytes]
    registry_process: subprocess.Popen[bytes]
    registry: str

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def docker(self, *args: str, given: bytes | None = None) -> str:
        done = subprocess.run(
            ["docker", *args],
            env={**os.environ, "DOCKER_HOST": self.host},
            input=given,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def containers(self) -> list[str]:
        return self.docker("ps", "--all", "--format", "{{.Names}}").split()

    def image(self, stack: str, run: str, files: Mapping[str, pathlib.Path] | None = None) -> None:
        """weir-STACK: `run` is a shell script; the engine under test is /bin/weir."""
        change = ['ENTRYPOINT ["/stack/run"]', f"USER {USER}:{USER}", "ENV PATH=/bin"]
        options = [word for line in change for word in ("--change", line)]
        tar = _root({"/bin/weir": BINARY, "/bin/sh": pathlib.Path("/bin/sh"), **(files or {})}, run)
        self.docker("import", *options, "-", f"weir-{stack}:latest", given=tar)

    def close(self) -> None:
        for process in (self.registry_process, self.process):
            process.terminate()
        for process in (self.registry_process, self.process):
            process.wait(60)
        for left in self.folder.glob("exec/netns/*"):  # the host's network, once a container had it
            subprocess.run(["umount", left], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder)


def start(folder: pathlib.Path) -> Engine:
    registry = f"127.0.0.1:{free_port()}"
    for name in ("root", "exec", "registry"):
        (folder / name).mkdir()
    driver = os.environ.get("WEIR_TEST_STORAGE_DRIVER", "overlay2")
    command = ["dockerd", "--data-root", f"{folder}/root", "--exec-root", f"{folder}/exec"]
    command += ["--pidfile", f"{folder}/docker.pid", "--host", f"unix://{folder}/docker.sock"]
    command += ["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", driver]
    command += ["--exec-opt", "native.cgroupdriver=cgroupfs", "--insecure-registry", registry]
    (folder / "registry.yml").write_text(
        json.dumps(
            {
                "version": 0.1,
                "log": {"level": "error"},
                "storage": {"filesystem": {"rootdirectory": f"{folder}/registry"}},
                "http": {"addr": registry},
            }
        )
    )
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
        server = subprocess.Popen(
            ["docker-registry", "serve", f"{folder}/registry.yml"], stdout=log, stderr=log
        )
    engine = Engine(folder, daemon, server, registry)
    for _ in range(300):
        if (folder / "docker.sock").exists():
            try:
                engine.docker("version")
                return engine
            except AssertionError:
                pass
        if daemon.poll() is not None:
            break
        time.sleep(0.1)
    said = (folder / "dockerd.log").read_text()[-2000:]
    engine.close()
    raise RuntimeError(f"dockerd did not start: {said}")


@functools.cache
def _libraries(program: pathlib.Path) -> tuple[str, ...]:
    found = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return tuple(dict.fromkeys(re.findall(r"(/\S+) \(0x", found)))


def _root(programs: Mapping[str, pathlib.Path], run: str) -> bytes:
    """A root file system of these programs, their libraries, /stack/run and /tmp."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:

        def add(name: str, content: bytes, mode: int = 0o755) -> None:
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))

        for folder in ("tmp", "stack"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
        libraries = {lib for program in programs.values() for lib in _libraries(program.resolve())}
        for lib in sorted(libraries):
            add(lib, pathlib.Path(lib).resolve().read_bytes())
        for name, program in programs.items():
            add(name, program.resolve().read_bytes())
        add("/stack/run", f"#!/bin/sh\n{run}".encode())
    return out.getvalue()
