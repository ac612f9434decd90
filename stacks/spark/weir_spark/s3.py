"""Objects of an S3 service, by Hadoop's S3A in Spark's JVM: input and tables alike. What is written is uploaded in parts
while it is made, from memory. Keys come from the environment only, which S3A and executors read themselves.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from py4j.protocol import Py4JJavaError

from .errors import BadInput, Failed
from .jvm import told
from .session import JARS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from .job import Job

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
CONNECT_SECONDS, CONNECT_TRIES = 3, 3
BUCKET = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{2,62}")
PAGE = 1000  # objects that one request may delete
LOOKS = 8  # at objects, at once
# Of each CPU's open file: one part being filled, and so many on their way. S3 wants at least 5 MiB.
PART_BYTES, PARTS_ON_THE_WAY = 8 << 20, 2
SETTINGS = {
    "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",  # tables say s3:// to every reader
    "fs.s3n.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    "fs.s3a.aws.credentials.provider": "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider",
    "fs.s3a.audit.enabled": "false",  # it sends names of users and jobs along
    "fs.s3a.fast.upload.buffer": "bytebuffer",
    "fs.s3a.fast.upload.active.blocks": str(PARTS_ON_THE_WAY),
    "fs.s3a.multipart.size": str(PART_BYTES),
    # A request is given up after about 15 seconds; S3A's own measure is minutes.
    "fs.s3a.attempts.maximum": "3",
    "fs.s3a.retry.limit": "5",
    "fs.s3a.retry.interval": "300ms",
    "fs.s3a.retry.throttle.limit": "6",
    "fs.s3a.retry.throttle.interval": "200ms",
    "fs.s3a.connection.timeout": "15s",
}
# What of an answer's code or of Java's exception stands in S3A's messages, and what to say of it.
ANSWERS = (
    ("InvalidAccessKeyId", "{at} does not know the access key; check AWS_ACCESS_KEY_ID"),
    (
        "SignatureDoesNotMatch",
        "the secret key does not belong to the access key; check AWS_SECRET_ACCESS_KEY",
    ),
    (
        "ExpiredToken|TokenRefreshRequired",
        f"the credentials have expired; get new ones ({', '.join(KEYS)})",
    ),
    ("InvalidToken|InvalidTokenId", "the session token is refused; check AWS_SESSION_TOKEN"),
    (
        "PKIX path building failed|CertificateException|SunCertPathBuilderException",
        "the certificate of {at} is not trusted; set AWS_CA_BUNDLE to its authority's",
    ),
    ("RequestTimeTooSkewed", "this machine's clock is wrong; set it (NTP)"),
    (
        "NoSuchBucket|UnknownStoreException",
        'there is no bucket "{bucket}" at {at}; make it, or check the name',
    ),
    (
        "PermanentRedirect|AuthorizationHeaderMalformed|AWSRedirectException",
        "the bucket is in another region; set AWS_REGION",
    ),
    ("RemoteFileChangedException", "it was changed while it was read; run again when it is complete"),
    ("NoSuchKey|FileNotFoundException", "there is no such object"),
    (
        "AccessDenied|AccessDeniedException|Status Code: 403",
        "{at} denies access; check the keys and their rights",
    ),
)
UNREACHED = re.compile(
    "ConnectException|UnknownHostException|NoRouteToHostException|SocketException|SocketTimeoutException"
    "|ConnectTimeoutException|NoHttpResponseException|AWSNoResponseException|SSLException|SSLHandshakeException"
    "|Unable to execute HTTP request|ApiCallTimeout|Status Code: 503"
)
OURS = re.compile(r"s3[an]?://[^\s:,\"']+")


def _parts(location: str) -> tuple[str, str]:
    """Bucket and key."""
    bucket, _, key = location.partition("://")[2].partition("/")
    return bucket, key


def is_s3(location: str) -> bool:
    return location.startswith(("s3://", "s3a://", "s3n://"))


def used_by(job: Job) -> bool:
    c = job.catalog
    return bool(c.get("s3")) or is_s3(c["warehouse"]) or any(map(is_s3, job.inputs))


@dataclass(frozen=True)
class Service:
    """Where it is: from the job's `catalog.s3`, else from AWS's variables."""

    endpoint: str  # empty: AWS
    region: str
    path_style: bool

    @staticmethod
    def of(given: dict[str, Any] | None) -> Service:
        s3, env = given or {}, os.environ
        endpoint = s3.get("endpoint") or env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
        region = s3.get("region") or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
        at = urlsplit(endpoint)
        if endpoint and (at.scheme not in ("http", "https") or not at.hostname or "@" in at.netloc):
            raise BadInput("S3 endpoint: write http://host:port or https://host, without path or keys")
        return Service(endpoint.rstrip("/"), region, bool(s3.get("path_style", bool(endpoint))))

    @property
    def text(self) -> str:
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"

    def settings(self) -> dict[str, str]:
        """Of Hadoop."""
        return {
            **SETTINGS,
            **({"fs.s3a.endpoint": self.endpoint} if self.endpoint else {}),
            "fs.s3a.endpoint.region": self.region,
            "fs.s3a.path.style.access": str(self.path_style).lower(),
        }

    def unreachable(self) -> str | None:
        """Why, if it is: S3A would not say so for long."""
        at = urlsplit(self.text)
        address = (at.hostname or "", at.port or (443 if at.scheme == "https" else 80))
        for left in range(CONNECT_TRIES - 1, -1, -1):
            try:
                socket.create_connection(address, CONNECT_SECONDS).close()
                return None
            except OSError as e:
                why = str(e.strerror or e)
            time.sleep(0.3 if left else 0)
        return f"{self.text} cannot be reached ({why}); check --s3-endpoint, and that it is running"


@dataclass(frozen=True)
class Look:
    """What tells an object from the one that replaces it."""

    size: int
    version: tuple[str, int]  # ETag, and time of change in ms


class _Object(io.RawIOBase):
    """An object to be read anywhere, through a stream of Hadoop's."""

    def __init__(self, store: Store, location: str, size: int) -> None:
        self.store, self.location, self.size, self.at = store, location, size, 0
        self.stream = store.asked(location, "read", lambda: store.files(location).open(store.path(location)))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def readinto(self, buffer: Any) -> int:
        want = min(len(buffer), self.size - self.at)
        if want <= 0:
            return 0

        def read() -> bytes:
            if self.stream.getPos() != self.at:
                self.stream.seek(self.at)
            return bytes(self.stream.readNBytes(want))

        data = self.store.asked(self.location, "read", read)
        if not data:
            raise BadInput(f'could not read "{self.location}": it ends early')
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.stream.close()


class Store:
    """The service of this run, and the objects that it reads."""

    def __init__(self, spark: SparkSession, service: Service) -> None:
        self.jvm, self.service = spark._jvm, service
        self.conf = spark._jsc.hadoopConfiguration()
        in_force = self.conf.get("weir.s3.service")
        if in_force not in (None, repr(service)):
            raise BadInput(
                "this Spark session is at another S3 service already; run the job in a session of its own"
            )
        self.conf.set("weir.s3.service", repr(service))
        for key, value in service.settings().items():
            self.conf.set(key, value)
        self.looks: dict[str, Look] = {}

    @staticmethod
    def of(spark: SparkSession, job: Job) -> Store | None:
        """None when nothing of the job is on S3."""
        if not used_by(job):
            return None
        if not list(JARS.glob("s3/*.jar")):
            raise Failed("stack spark: its jars for S3 are not there; run: weir stack setup spark")
        return Store(spark, Service.of(job.catalog.get("s3")))

    def path(self, location: str) -> Any:
        return self.jvm.org.apache.hadoop.fs.Path(location)

    def files(self, location: str) -> Any:
        """Hadoop's file system of its bucket."""
        return self.path(location).getFileSystem(self.conf)

    def asked(self, location: str, verb: str, ask: Any) -> Any:
        try:
            return ask()
        except Py4JJavaError as e:
            raise self.explained(e, f'could not {verb} "{location}"', location) or e from e

    def explained(self, e: BaseException, what: str = "", location: str = "") -> Exception | None:
        """What to raise instead: what, where, what to do. None: nothing that S3 says."""
        text = told(e)
        named = OURS.search(text)
        if not location and named:
            location = named[0]
            verb = "read" if location in self.looks else "write"
            what = f'{what}: "{location}"' if what else f'could not {verb} "{location}"'
        if not location and "awssdk" not in text and "fs.s3a" not in text:
            return None
        what = what or "could not reach S3"
        for signs, answer in ANSWERS:
            if re.search(rf"\b(?:{signs})\b", text):
                bucket = _parts(location)[0]
                return BadInput(f"{what}: {answer.format(at=self.service.text, bucket=bucket)}")
        if UNREACHED.search(text):
            why = self.service.unreachable() or f"{self.service.text} broke off, or did not answer; run again"
            return Failed(f"{what}: {why}")
        return None

    def check(self, locations: Iterable[str]) -> None:
        """Whether the service answers, knows the keys and has the buckets. By listing: to a HEAD it only says 403 or 404."""
        firsts: dict[str, str] = {}
        for location in filter(is_s3, locations):
            bucket = _parts(location)[0]
            if not BUCKET.fullmatch(bucket):
                raise BadInput(f'"{location}" is no S3 location; write s3://bucket/prefix')
            firsts.setdefault(bucket, location)
        if not all(os.environ.get(key) for key in KEYS[:2]):
            raise BadInput("no keys for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        if why := self.service.unreachable():
            raise Failed(f'could not reach "{next(iter(firsts.values()))}": {why}')
        for location in firsts.values():
            self._list(location)

    def _list(self, location: str) -> None:
        scheme, _, rest = location.partition("://")
        nowhere = f"{scheme}://{rest.partition('/')[0]}/.weir-asks"

        def ask() -> None:
            try:
                self.files(nowhere).listFiles(self.path(nowhere), True).hasNext()
            except Py4JJavaError as e:
                if e.java_exception.getClass().getSimpleName() != "FileNotFoundException":
                    raise

        self.asked(location, "look at", ask)

    def _look(self, location: str) -> Look:
        status = self.asked(location, "read", lambda: self.files(location).getFileStatus(self.path(location)))
        if status.isDirectory():
            raise BadInput(f'could not read "{location}": there is no such object')
        return Look(status.getLen(), (str(status.getETag()), status.getModificationTime()))

    def look(self, locations: Sequence[str]) -> None:
        """At the input, before any of it is read."""
        with ThreadPoolExecutor(LOOKS) as pool:
            self.looks = dict(zip(locations, pool.map(self._look, locations)))

    def look_again(self) -> None:
        """An object that was replaced since ends the run: each task opens it anew, and reads what it finds."""
        with ThreadPoolExecutor(LOOKS) as pool:
            for (location, before), now in zip(self.looks.items(), pool.map(self._look, self.looks)):
                if now != before:
                    raise BadInput(
                        f'could not read "{location}": it was changed while it was read; run again when it is complete'
                    )

    def open(self, location: str) -> BinaryIO:
        """Of this machine's files too."""
        if not is_s3(location):
            return open(location, "rb")
        return io.BufferedReader(_Object(self, location, self.looks[location].size), 1 << 16)  # type: ignore[return-value]

    def fetch(self, location: str, to: str) -> None:
        """A copy in a folder of this machine."""
        object_, copy = self.path(location), self.path(f"file:{to}")

        def ask() -> None:
            here = copy.getFileSystem(self.conf)
            self.jvm.org.apache.hadoop.fs.FileUtil.copy(
                self.files(location), object_, here, copy, False, self.conf
            )

        self.asked(location, "read", ask)

    def discard(self, locations: Sequence[str]) -> None:
        """As far as the service can be reached. By the SDK and at once: one by one, S3A would leave an object for every
        folder that became empty."""
        if not locations or self.service.unreachable():
            return
        buckets: dict[str, list[str]] = {}
        for location in locations:
            bucket, key = _parts(location)
            buckets.setdefault(bucket, []).append(key)
        with contextlib.suppress(Py4JJavaError):
            for bucket, keys in buckets.items():
                for at in range(0, len(keys), PAGE):
                    self._delete(bucket, keys[at : at + PAGE])

    def discard_below(self, folder: str) -> None:
        """All objects there, and parts of such where the service lists them."""
        if self.service.unreachable():
            return
        bucket, prefix = _parts(folder + "/")
        client, models = self._client(folder), self.jvm.software.amazon.awssdk.services.s3.model
        with contextlib.suppress(Py4JJavaError):
            uploads = models.ListMultipartUploadsRequest.builder().bucket(bucket).prefix(prefix).build()
            for upload in client.listMultipartUploads(uploads).uploads():
                abort = models.AbortMultipartUploadRequest.builder().bucket(bucket).key(upload.key())
                client.abortMultipartUpload(abort.uploadId(upload.uploadId()).build())
            listing = models.ListObjectsV2Request.builder().bucket(bucket).prefix(prefix).build()
            while keys := [o.key() for o in client.listObjectsV2(listing).contents()]:
                self._delete(bucket, keys)

    def _client(self, location: str) -> Any:
        return self.files(location).getS3AInternals().getAmazonS3Client("weir")

    def _delete(self, bucket: str, keys: list[str]) -> None:
        models = self.jvm.software.amazon.awssdk.services.s3.model
        named = self.jvm.java.util.ArrayList()
        for key in keys:
            named.add(models.ObjectIdentifier.builder().key(key).build())
        what = models.Delete.builder().objects(named).quiet(True).build()
        request = models.DeleteObjectsRequest.builder().bucket(bucket).delete(what).build()
        self._client(f"s3://{bucket}/").deleteObjects(request)
