"""The ledger (5): every record is somewhere, or nothing is committed."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import Failed
from .job import REASONS, Job


@dataclass
class Ledger:
    rows_in: int = 0
    rows_out: int = 0
    sessions: int = 0
    users: int = 0
    rejected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    nulled: dict[str, int] = field(default_factory=dict)

    def check(self) -> None:
        rejected = sum(self.rejected.values())
        if self.rows_in != self.rows_out + rejected:
            raise Failed(f"the ledger does not balance: {self.rows_in} != {self.rows_out} + {rejected}")

    def summary(self, job: Job) -> dict[str, str]:
        """5.2"""
        return {
            "weir.run-id": job.run_id,
            "weir.stack": "spark",
            "weir.rows-in": str(self.rows_in),
            "weir.rows-out": str(self.rows_out),
            **{f"weir.rejected.{r}": str(n) for r, n in self.rejected.items()},
            **{f"weir.nulled.{c}": str(n) for c, n in self.nulled.items()},
            "weir.events-table": f"{job.namespace}.{job.events}",
            "weir.rejects-table": f"{job.namespace}.{job.rejects}",
        }

    @staticmethod
    def of_summary(summary: dict[str, str]) -> Ledger:
        """Of a run that is in the table already."""
        ledger = Ledger(int(summary.get("weir.rows-in", 0)), int(summary.get("weir.rows-out", 0)))
        ledger.rejected = {r: int(summary.get(f"weir.rejected.{r}", 0)) for r in REASONS}
        return ledger
