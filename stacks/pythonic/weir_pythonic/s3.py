"""Objects of an S3 service, by PyArrow's client, which PyIceberg and DuckDB use here too: input is read ahead in ranges,
data files are uploaded in parts while they are made. Nothing is staged on disk. Keys come from the environment only.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .errors import BadInput, Failed, changed

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import S3FileSystem

RANGE = 4 << 20
AHEAD = 4  # ranges
PART_BYTES = 10 << 20  # what PyArrow holds of each file that is being uploaded
AT_ONCE = 16  # small requests
CONNECT_S, SILENT_S = 5, 10
RETRIES = 9  # of a request; the pauses double, about 13 s in all
RETRIES_AT_FIRST = 5  # less than a second
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# What PyArrow shows of an answer, its own name or the service's, and what to say of it.
ANSWERS = (
    (
        ("INVALID_ACCESS_KEY_ID", "InvalidAccessKeyId"),
        "{at} does not know the access key; check AWS_ACCESS_KEY_ID",
    ),
    (
        ("SIGNATURE_DOES_NOT_MATCH", "SignatureDoesNotMatch"),
        "the secret key does not belong to the access key; check AWS_SECRET_ACCESS_KEY",
    ),
    (
        ("ExpiredToken", "EXPIRED_TOKEN"),
        "the credentials have expired; get new ones (" + ", ".join(KEYS) + ")",
    ),
    (
        ("InvalidToken", "INVALID_TOKEN", "INVALID_CLIENT_TOKEN"),
        "the session token is refused; check AWS_SESSION_TOKEN",
    ),
    (("NO_SUCH_BUCKET", "NoSuchBucket"), 'there is no bucket "{bucket}" at {at}; make it, or check the name'),
    (("InvalidBucketName",), '"{bucket}" is no name of a bucket; write s3://bucket/prefix'),
    (
        ("PermanentRedirect", "AuthorizationHeaderMalformed"),
        "the bucket is in another region; set AWS_REGION",
    ),
    (("RequestTimeTooSkewed", "REQUEST_TIME_TOO_SKEWED"), "this machine's clock is wrong; set it (NTP)"),
    (("NO_SUCH_KEY", "RESOURCE_NOT_FOUND", "NoSuchKey"), "there is no such object"),
    (
        ("ACCESS_DENIED", "AccessDenied", "HTTP status 403"),
        "{at} denies access; check the keys and their rights",
    ),
)


@dataclass(frozen=True)
class Service:
    """Where it is; from the job's `catalog.s3`, else from AWS's variables."""

    endpoint: str = ""  # empty: AWS
    region: str = "us-east-1"
    path_style: bool = False

    @staticmethod
    def of(given: dict[str, Any] | None) -> Service:
        s3, env = given or {}, os.environ
        endpoint = s3.get("endpoint") or env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
        region = s3.get("region") or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
        return Service(endpoint, region, bool(s3.get("path_style", bool(endpoint))))

    @property
    def url(self) -> str:
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"


_service = Service()


def use(given: dict[str, Any] | None) -> None:
    """From now on; jobs of one session come one after another."""
    global _service
    _service = Service.of(given)


def is_s3(location: str) -> bool:
    return location.startswith("s3://")


def bare(location: str) -> str:
    """bucket/key, as PyArrow wants it."""
    return location.removeprefix("s3://")


def filesystem(retries: int = RETRIES) -> S3FileSystem:
    return _filesystem(_service, _keys(), _authorities(), retries)


def _keys() -> tuple[str, str, str | None]:
    access, secret, token = (os.environ.get(k) for k in KEYS)
    if not access or not secret:
        raise BadInput("no keys for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    return access, secret, token or None


def _authorities() -> str | None:
    return os.environ.get("AWS_CA_BUNDLE") or None


@cache
def _filesystem(
    service: Service, keys: tuple[str, str, str | None], authorities: str | None, retries: int
) -> S3FileSystem:
    from pyarrow.fs import AwsDefaultS3RetryStrategy, S3FileSystem

    at = urlsplit(service.url)
    if at.scheme not in ("http", "https") or not at.netloc or at.path not in ("", "/"):
        raise BadInput(f'S3 endpoint "{service.endpoint}": write http://host:port or https://host')
    return S3FileSystem(
        access_key=keys[0],
        secret_key=keys[1],
        session_token=keys[2],
        region=service.region,
        scheme=at.scheme,
        endpoint_override=at.netloc if service.endpoint or service.path_style else None,
        force_virtual_addressing=not service.path_style,
        connect_timeout=CONNECT_S,
        request_timeout=SILENT_S,
        retry_strategy=AwsDefaultS3RetryStrategy(max_attempts=retries),
        background_writes=False,  # else what is written faster than it is sent grows without bound
        allow_delayed_open=True,  # what fits one part is one request
        tls_ca_file_path=authorities,
    )


def for_duckdb() -> Any:
    """A file system to register: DuckDB reads weir://bucket/key through the same client, without an extension."""
    from fsspec.implementations.arrow import ArrowFSWrapper

    class Objects(ArrowFSWrapper):  # type: ignore[misc]
        protocol = "weir"
        cachable = False

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return path.removeprefix("weir://")

    return Objects(filesystem())


def explained(location: str, verb: str, e: Exception) -> BadInput | Failed:
    """What to raise instead: what, where, what to do."""
    said = " ".join(str(e).split())
    what = f'could not {verb} "{location}"'
    if "curlCode: 60" in said or "curlCode: 77" in said:
        return BadInput(
            f"{what}: the certificate of {_service.url} is not trusted; set AWS_CA_BUNDLE to its authority's"
        )
    if _unreachable(said):
        return Failed(
            f"{what}: {_service.url} cannot be reached ({said.partition('Details: ')[2] or said}); "
            "check --s3-endpoint, and that it is running"
        )
    if "HTTP status 416" in said:  # it has become shorter
        return changed(os.path.basename(location))
    for signs, answer in ANSWERS:
        if any(sign in said for sign in signs):
            bucket = bare(location).split("/")[0]
            return BadInput(f"{what}: {answer.format(at=_service.url, bucket=bucket)}")
    if isinstance(e, FileNotFoundError):
        return BadInput(f"{what}: there is no such object")
    return Failed(f"{what}: {said.partition('AWS Error ')[2] or said}")


def is_of_s3(location: str, e: BaseException) -> bool:
    """Whether it is the service's fault, not the file's."""
    return "AWS Error" in str(e) or (is_s3(location) and isinstance(e, FileNotFoundError))


@contextlib.contextmanager
def telling(location: str, verb: str) -> Iterator[None]:
    """Errors of S3 as `explained`; others as they are."""
    try:
        yield
    except OSError as e:
        if not is_of_s3(location, e):
            raise
        raise explained(location, verb, e) from e


def check(locations: Iterable[str]) -> None:
    """Whether the service answers, knows the keys and has the buckets: errors of requests for objects do not tell."""
    firsts: dict[str, str] = {}
    for location in filter(is_s3, locations):
        firsts.setdefault(bare(location).split("/")[0], location)
    for bucket, location in firsts.items():
        with telling(location, "look at"):
            try:
                _ask(bucket, RETRIES_AT_FIRST)
            except OSError as e:
                if _unreachable(str(e)) or isinstance(explained(location, "", e), BadInput):
                    raise
                _ask(bucket, RETRIES)  # it is up, but busy


def _ask(bucket: str, retries: int) -> None:
    from pyarrow.fs import FileSelector

    try:
        filesystem(retries).get_file_info(FileSelector(f"{bucket}/.weir-asks", recursive=False))
    except OSError as e:
        nothing_there = isinstance(e, FileNotFoundError) and "NO_SUCH_BUCKET" not in str(e)
        if not nothing_there and "ACCESS_DENIED" not in str(e):  # the right to list is not needed
            raise


def _unreachable(said: str) -> bool:
    return "NETWORK_CONNECTION" in said or "curlCode" in said


def each(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """For small requests: several at once, results in order."""
    with ThreadPoolExecutor(AT_ONCE, "s3") as pool:
        return list(pool.map(work, items))


def open_file(location: str) -> pa.NativeFile:
    """To be read anywhere, by several threads."""
    with telling(location, "read"):
        return filesystem().open_input_file(bare(location))


def identity(file: pa.NativeFile, location: str) -> tuple[int, ...]:
    """Of the version that was opened: another has another ETag."""
    with telling(location, "read"):
        return 0, 0, file.size(), int.from_bytes(file.metadata()["ETag"], "big")


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2 * AHEAD, "s3")


class Stream:
    """An object from its beginning. Ranges are fetched ahead of need, small ones at first: of most openings, only the
    header is wanted."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.file = open_file(location)
        self.identity = identity(self.file, location)
        self.size = self.file.size()
        self.asked = 0
        self.ranges: deque[Future[bytes]] = deque()
        self.part = memoryview(b"")

    def _ask(self) -> None:
        while self.asked < self.size and len(self.ranges) < (AHEAD if self.asked >= RANGE else 1):
            length = min(RANGE, max(1 << 16, self.asked), self.size - self.asked)
            self.ranges.append(_pool().submit(self.file.read_at, length, self.asked))
            self.asked += length

    def read(self, size: int, /) -> bytes:
        out: list[memoryview] = []
        while size > 0:
            if not self.part:
                self._ask()
                if not self.ranges:
                    break
                with telling(self.location, "read"):
                    self.part = memoryview(self.ranges.popleft().result())
                self._ask()
            piece, self.part = self.part[:size], self.part[size:]
            out.append(piece)
            size -= len(piece)
        return b"".join(out)


def open_output(location: str) -> pa.NativeFile:
    with telling(location, "write"):
        return filesystem().open_output_stream(bare(location))


def was_completed(location: str, size: int, e: OSError) -> bool:
    """Where the answer to an upload's completion is lost, it is asked for once more, and then there is no such upload."""
    return "NO_SUCH_UPLOAD" in str(e) and filesystem().get_file_info(bare(location)).size == size


def remove(location: str) -> None:
    """The object and what is left of uploads of it."""
    from .removal import Remover

    bucket, _, key = bare(location).partition("/")
    Remover(_service.url, _service.region, _service.path_style, *_keys(), _authorities()).remove(bucket, key)
