"""A small S3 client of the tests' own, independent of weir's: AWS Signature Version 4 by hmac, one request a call."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import re
import urllib.parse


class S3:
    """Path-style requests to one endpoint."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, region: str = "us-east-1") -> None:
        self.authority = endpoint.removeprefix("http://")
        self.access_key, self.secret_key, self.region = access_key, secret_key, region

    def signed(
        self, method: str, path: str, query: dict[str, str] | None = None, digest: str = ""
    ) -> tuple[str, dict[str, str]]:
        """The path with its query, and the headers, for a body of this SHA-256 (none: an empty one)."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = digest or hashlib.sha256(b"").hexdigest()
        quoted = urllib.parse.quote(path, safe="/-._~")
        parameters = "&".join(
            f"{urllib.parse.quote(k, safe='')}={urllib.parse.quote(v, safe='')}"
            for k, v in sorted((query or {}).items())
        )
        headers = {"host": self.authority, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(headers)
        canonical = "".join(f"{k}:{v}\n" for k, v in headers.items())
        request = f"{method}\n{quoted}\n{parameters}\n{canonical}\n{names}\n{digest}"
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
        )
        return f"{quoted}?{parameters}" if parameters else quoted, headers

    def call(
        self, method: str, path: str, query: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, bytes]:
        target, headers = self.signed(method, path, query, hashlib.sha256(body).hexdigest())
        connection = http.client.HTTPConnection(self.authority, timeout=30)
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def make_bucket(self, name: str) -> None:
        status, text = self.call("PUT", f"/{name}")
        assert status == 200, text

    def put(self, bucket: str, key: str, body: bytes) -> None:
        status, text = self.call("PUT", f"/{bucket}/{key}", body=body)
        assert status == 200, text

    def get(self, bucket: str, key: str) -> bytes:
        status, text = self.call("GET", f"/{bucket}/{key}")
        assert status == 200, text
        return text

    def objects(self, bucket: str, prefix: str = "") -> dict[str, int]:
        """The first thousand, and their sizes."""
        status, text = self.call(
            "GET", f"/{bucket}", {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
        )
        assert status == 200, text
        found = re.findall(r"<Key>(.*?)</Key>.*?<Size>(\d+)</Size>", text.decode(), re.S)
        return {urllib.parse.unquote_plus(k): int(size) for k, size in found}

    def uploads(self, bucket: str, prefix: str = "") -> list[str]:
        """Multipart uploads not completed. MinIO lists them by the exact key only."""
        status, text = self.call("GET", f"/{bucket}", {"uploads": "", "prefix": prefix})
        assert status == 200, text
        return re.findall(r"<UploadId>(.*?)</UploadId>", text.decode())
