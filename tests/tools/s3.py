"""A small S3 client of the tests' own, independent of weir's: AWS Signature Version 4 by hmac, one request a call."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import os
import re
import ssl
import urllib.parse


class S3:
    """Path-style requests to one endpoint; `authority`: the certificate that an https one is trusted by."""

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        region: str = "us-east-1",
        authority: str | os.PathLike | None = None,
    ) -> None:
        scheme, _, self.authority = endpoint.partition("://")
        self.tls = ssl.create_default_context(cafile=authority) if scheme == "https" else None
        self.access_key, self.secret_key, self.region = access_key, secret_key, region

    def connect(self) -> http.client.HTTPConnection:
        if self.tls:
            return http.client.HTTPSConnection(self.authority, timeout=30, context=self.tls)
        return http.client.HTTPConnection(self.authority, timeout=30)

    def signed(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        digest: str = "",
        service: str = "s3",
        more: dict[str, str] | None = None,
    ) -> tuple[str, dict[str, str]]:
        """The path with its query, and the headers, for a body of this SHA-256 (none: an empty one)."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = digest or hashlib.sha256(b"").hexdigest()
        quoted = urllib.parse.quote(path, safe="/-._~")
        parameters = "&".join(
            f"{urllib.parse.quote(k, safe='')}={urllib.parse.quote(v, safe='')}"
            for k, v in sorted((query or {}).items())
        )
        headers = {**(more or {}), "host": self.authority, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(headers)
        canonical = "".join(f"{k}:{v}\n" for k, v in headers.items())
        request = f"{method}\n{quoted}\n{parameters}\n{canonical}\n{names}\n{digest}"
        scope = f"{now[:8]}/{self.region}/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
        )
        return f"{quoted}?{parameters}" if parameters else quoted, headers

    def call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: bytes = b"",
        service: str = "s3",
        more: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        target, headers = self.signed(method, path, query, hashlib.sha256(body).hexdigest(), service, more)
        connection = self.connect()
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

    def assume_role(self, seconds: int = 900) -> dict[str, str]:
        """Temporary credentials of the same rights, as environment variables."""
        body = f"Action=AssumeRole&Version=2011-06-15&DurationSeconds={seconds}".encode()
        form = {"content-type": "application/x-www-form-urlencoded"}
        status, text = self.call("POST", "/", body=body, service="sts", more=form)
        assert status == 200, text
        names = {
            "AWS_ACCESS_KEY_ID": "AccessKeyId",
            "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
            "AWS_SESSION_TOKEN": "SessionToken",
        }
        return {k: re.search(f"<{n}>(.*?)</{n}>", text.decode())[1] for k, n in names.items()}

    def uploads(self, bucket: str, prefix: str = "") -> list[str]:
        """Multipart uploads not completed. MinIO lists them by the exact key only."""
        status, text = self.call("GET", f"/{bucket}", {"uploads": "", "prefix": prefix})
        assert status == 200, text
        return re.findall(r"<UploadId>(.*?)</UploadId>", text.decode())
