"""Objects and uploads taken back. PyArrow cannot abort an upload, and leaves the marker of a folder where it deletes the last
object of one: these few requests are made here, signed by AWS Signature Version 4.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import http.client
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

TIMEOUT_S = 5
EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Remover:
    """Of one service; may be used by several threads."""

    endpoint: str
    region: str
    path_style: bool
    access_key: str
    secret_key: str
    token: str | None
    authorities: str | None  # a file of certificates

    def remove(self, bucket: str, key: str) -> None:
        """The object, if there is one, and uploads of it that never ended."""
        self._call("DELETE", bucket, key)
        text = self._call("GET", bucket, "", {"uploads": "", "prefix": key}).decode(errors="replace")
        for upload in re.findall(r"<Upload>.*?</Upload>", text, re.S):
            if _element(upload, "Key") == key:
                self._call("DELETE", bucket, key, {"uploadId": _element(upload, "UploadId")})

    def _call(self, method: str, bucket: str, key: str, query: dict[str, str] | None = None) -> bytes:
        at = urlsplit(self.endpoint)
        host = at.netloc if self.path_style else f"{bucket}.{at.netloc}"
        path = "/" + quote(f"{bucket}/{key}" if self.path_style else key, safe="/-._~")
        parameters = _joined("=", "&", sorted((_quoted(k), _quoted(v)) for k, v in (query or {}).items()))
        connection: http.client.HTTPConnection
        if at.scheme == "https":
            tls = ssl.create_default_context(cafile=self.authorities)
            connection = http.client.HTTPSConnection(at.netloc, timeout=TIMEOUT_S, context=tls)
        else:  # to the endpoint itself: what is below localhost is no name to Python
            connection = http.client.HTTPConnection(at.netloc, timeout=TIMEOUT_S)
        try:
            headers = self._signed(method, host, path, parameters)
            connection.request(method, f"{path}?{parameters}" if parameters else path, headers=headers)
            return connection.getresponse().read()
        except http.client.HTTPException as e:
            raise OSError(f"{host}: {e!r}") from e
        finally:
            connection.close()

    def _signed(self, method: str, host: str, path: str, parameters: str) -> dict[str, str]:
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": host, "x-amz-content-sha256": EMPTY, "x-amz-date": now}
        if self.token:
            headers["x-amz-security-token"] = self.token
        names = ";".join(headers)
        request = "\n".join((method, path, parameters, _joined(":", "\n", headers.items()), "", names, EMPTY))
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = f"AWS4{self.secret_key}".encode()
        for part in (*scope.split("/"), text):
            signature = hmac.digest(signature, part.encode(), "sha256")
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={signature.hex()}"
        )
        return headers


def _quoted(text: str) -> str:
    return quote(text, safe="-._~")


def _joined(inner: str, outer: str, pairs: Iterable[tuple[str, str]]) -> str:
    return outer.join(f"{k}{inner}{v}" for k, v in pairs)


def _element(xml: str, name: str) -> str:
    """Keys of data files and ids of uploads have no character that XML escapes."""
    found = re.search(f"<{name}>(.*?)</{name}>", xml, re.S)
    return found[1] if found else ""
