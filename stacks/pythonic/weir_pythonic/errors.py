"""What can go wrong, by exit code."""

import os


class BadInput(Exception):
    """Bad input or configuration: exit code 3, nothing written."""


class Failed(Exception):
    """The world outside: exit code 4, said in one line."""


class Unbalanced(Exception):
    """The ledger does not balance (5.1): nothing is committed."""


class Stopped(BaseException):
    """SIGTERM or SIGINT: like KeyboardInterrupt, no ordinary handler may swallow it."""


def said(e: BaseException) -> str:
    """In one line; of a database's error, what the database said, without the statement and its values."""
    return " ".join(str(getattr(e, "orig", None) or e).split())


def could_not_write(path: str, e: OSError) -> Failed:
    return Failed(f'could not write "{path}": {os.strerror(e.errno) if e.errno else said(e)}')


def changed(name: str) -> BadInput:
    """The input is read twice."""
    return BadInput(f"{name}: was changed while it was read; run again when it is complete")
