"""What .env says, for all that uses compose.yaml's services: `python3 scripts/dot_env.py` prints it for a shell to evaluate;
`needless` after it, a word in place of all that Compose asks for, whatever .env says.

Compose, a shell (`. ./.env`) and weir's scripts read that file, each by rules of its own; only lines that are the same to all
are accepted. A variable of the environment wins, as with Compose. Messages never show a value.
"""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
NEEDED = ("POSTGRES_USER", "POSTGRES_PASSWORD", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "JUPYTER_TOKEN")
FOLDERS = ("WEIR_DATA_DIR", "WEIR_LAKE_DIR")
LINE = re.compile(r"""(\w+)=(?:([\w./:@%+=,^-]*)|'([^'\\]*)'|"([^"\\$`!]*)")(?:\s+#.*|\s*)""", re.ASCII)
# What PostgreSQL's URIs, S3's and MinIO itself take.
FORMS = {
    "POSTGRES_USER": (r"[\w-]+", "of letters, digits, _ and -"),
    "POSTGRES_DB": (r"[\w-]+", "of letters, digits, _ and -"),
    "WAREHOUSE_BUCKET": (
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "3 to 63 of a-z, 0-9, . and -, as S3 names buckets",
    ),
    "MINIO_ROOT_USER": (r"[\w.-]{3,}", "at least 3 letters, digits, _, . and -"),
    "MINIO_ROOT_PASSWORD": (r".{8,}", "at least 8 characters"),
}


class Unusable(Exception):
    pass


def read(path: pathlib.Path = ROOT / ".env") -> dict[str, str]:
    """All of its variables. Raises Unusable with what to do."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise Unusable("there is no .env: cp .env.example .env, and choose passwords in it") from None
    except (OSError, UnicodeDecodeError) as e:
        raise Unusable(f".env cannot be read: {e}") from None
    said: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if "\r" in line:
            raise Unusable(f".env, line {number}: ends as on Windows; convert it: sed -i 's/\\r$//' .env")
        found = LINE.fullmatch(line)
        if not found:
            name = re.match(r"\w*", line)[0]
            raise Unusable(
                f".env, line {number} ({name}): Compose and the shell would read it differently; "
                "write NAME='value', where the value has neither ' nor \\"
            )
        said[found[1]] = found[2] or found[3] or found[4] or ""
    names = {*said, *NEEDED, *FORMS, *FOLDERS}
    said |= {name: os.environ[name] for name in names & os.environ.keys()}
    if empty := [name for name in NEEDED if not said.get(name)]:
        raise Unusable(f"{', '.join(empty)}: not set in .env; choose, for instance by openssl rand -hex 16")
    for name, (form, words) in FORMS.items():
        if said.get(name) and not re.fullmatch(form, said[name], re.ASCII):
            raise Unusable(f".env: {name} has to be {words}")
    return said


def main() -> None:
    try:
        said = dict.fromkeys(NEEDED, "needless") if sys.argv[1:] == ["needless"] else read()
    except Unusable as e:
        raise SystemExit(f"containers: {e}") from None
    print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in said.items()))


if __name__ == "__main__":
    main()
