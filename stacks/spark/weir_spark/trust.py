"""AWS_CA_BUNDLE for Java: its PEM certificates as a Java key store (JKS, version 2), in place of Java's own authorities."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import struct
import time
from pathlib import Path

from .errors import BadInput

BLOCK = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
PASSWORD = "changeit"  # of what is public; Java reads certificates without asking for it


def _text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


def key_store(certificates: list[bytes]) -> bytes:
    """Of DER."""
    now = int(time.time() * 1000)
    data = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for n, der in enumerate(certificates):
        data += struct.pack(">I", 2) + _text(f"authority{n}") + struct.pack(">Q", now)  # 2: trusted
        data += _text("X.509") + struct.pack(">I", len(der)) + der
    return data + hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + data).digest()


def trust_options(folder: str) -> list[str]:
    """Of a JVM; none when Java's own authorities are to be trusted."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if not bundle:
        return []
    try:
        found = [ssl.PEM_cert_to_DER_cert(block) for block in BLOCK.findall(Path(bundle).read_text())]
    except (OSError, ValueError) as e:
        raise BadInput(f"AWS_CA_BUNDLE: {bundle}: {getattr(e, 'strerror', None) or e}") from e
    if not found:
        raise BadInput(f"AWS_CA_BUNDLE: {bundle} holds no certificate (PEM)")
    path = Path(folder, "authorities.jks")
    path.write_bytes(key_store(found))
    return [f"-Djavax.net.ssl.trustStore={path}", "-Djavax.net.ssl.trustStoreType=jks"]
