"""What Java's errors say, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors.exceptions.captured import CapturedException

_READING = re.compile(r"reading file (?:file:)?(s3[an]?:/|)(/.*?)(?:\.?\s*$|\. SQLSTATE|\.\s)", re.M)


def causes(e: BaseException) -> Iterator[Any]:
    """The Java exceptions behind e, outermost first."""
    java = e.java_exception if isinstance(e, Py4JJavaError) else getattr(e, "_origin", None)
    while java is not None:
        yield java
        java = java.getCause()


def said(e: BaseException) -> str:
    """The innermost message that there is, which is the nearest to what went wrong."""
    if not isinstance(e, Py4JJavaError | CapturedException):
        return f"{type(e).__name__}: {e}".replace("\n", " ")
    telling = [(java, text) for java in causes(e) if (text := str(java.getMessage() or "").strip())]
    if not telling:
        return str(e).split("\n")[0]
    java, text = telling[-1]
    return f"{java.getClass().getSimpleName()}: {text.splitlines()[0]}"


def kinds(e: BaseException) -> set[str]:
    """The names of the Java exceptions behind e."""
    return {java.getClass().getSimpleName() for java in causes(e)}


def told(e: BaseException) -> str:
    """All that the exceptions behind e say, and what they are."""
    found = [f"{java.getClass().getSimpleName()}: {java.getMessage()}" for java in causes(e)]
    return "\n".join([*found, "" if found else str(e)])


def file_that_failed(e: BaseException) -> str | None:
    """The input that Spark could not read, if that is what happened."""
    for java in causes(e):
        found = _READING.search(str(java.getMessage() or ""))
        if found:
            path = "/" + unquote(found[2]).lstrip("/")
            return found[1] + path
    return None
