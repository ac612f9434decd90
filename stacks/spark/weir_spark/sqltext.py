"""Text of Spark SQL expressions: everything on the row path is built-in functions, which Spark compiles."""

from __future__ import annotations


def literal(text: str) -> str:
    """A string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    for plain, code in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\0", "\\0")):
        escaped = escaped.replace(plain, code)
    return f"'{escaped}'"


def quoted_regex(text: str) -> str:
    """A Java regular expression that matches this text alone."""
    return "".join(
        c if c.isalnum() or not c.isascii() else f"\\{c}" if c.isprintable() else f"\\x{ord(c):02x}"
        for c in text
    )


def named(expressions: dict[str, str]) -> list[str]:
    """For selectExpr."""
    return [f"{text} AS `{name}`" for name, text in expressions.items()]
