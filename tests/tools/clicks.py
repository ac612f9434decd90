"""Plain clean clicks of any length, time-ordered or shuffled, for tests that need bulk rather than dirt."""

from __future__ import annotations

import datetime
import pathlib
import random

HEADER = "event_id,user_id,timestamp,page_url,referrer,device,ip_address\n"
START = datetime.datetime(2024, 3, 1)


def write(
    path: pathlib.Path,
    rows: int,
    *,
    seed: int = 1,
    days: int = 3,
    users: int | None = None,
    shuffled: bool = False,
    one_visitor: float = 0.0,
    duplicates: float = 0.01,
) -> pathlib.Path:
    """`rows` lines over `days`; `one_visitor`: the share of lines that belong to a single user."""
    r = random.Random(seed)
    users = users or max(1, rows // 20)
    step = days * 86_400 / max(rows, 1)
    lines: list[str] = []
    for n in range(rows):
        if lines and r.random() < duplicates:
            lines.append(lines[r.randrange(max(0, len(lines) - 50), len(lines))])
            continue
        t = START + datetime.timedelta(seconds=n * step + r.random() * 60)
        user = 0 if r.random() < one_visitor else r.randrange(users)
        page = f"/shop/{r.randrange(300)}/item?ref={r.randrange(20)}"
        referrer = "" if r.random() < 0.3 else f"https://example.org/{r.randrange(50)}"
        device = r.choice(("Desktop", "mobile", "TABLET", ""))
        ip = f"{r.randrange(1, 223)}.{r.randrange(256)}.{user % 256}.{r.randrange(4)}"
        lines.append(
            f"e{n:09d}{r.getrandbits(32):08x},user-{user:07d},{t.isoformat()[:23]}Z,"
            f"{page},{referrer},{device},{ip}\n"
        )
    if shuffled:
        r.shuffle(lines)
    with open(path, "w", newline="") as out:
        out.write(HEADER)
        out.writelines(lines)
    return path
