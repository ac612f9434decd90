"""What can go wrong, by exit code."""


class BadInput(Exception):
    """Bad input or configuration: exit code 3, nothing written."""


class Failed(Exception):
    """The world outside: exit code 4, said in one line."""


class Stopped(Exception):
    """SIGTERM or SIGINT came before the commits."""
