"""What a bucket really holds, asked through the S3 API: versions, and uploads without an end.

No library that the lake uses can list these, so the requests are signed here (AWS Signature
Version 4, docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
"""

from __future__ import annotations

import hashlib
import hmac
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from tests.integration.services.s3 import Bucket


@dataclass(frozen=True)
class Version:
    """One version of an object, or the mark that it was deleted."""

    key: str
    number: str
    latest: bool
    marker: bool


def versions(bucket: Bucket) -> list[Version]:
    """Every version of every object under the bucket's prefix, and every delete marker."""
    found = _listed(bucket, "versions", ("Version", "DeleteMarker"))
    return sorted(
        # A set: some servers repeat the last entry of a page on the next one.
        {
            Version(
                item.findtext("{*}Key") or "",
                item.findtext("{*}VersionId") or "",
                item.findtext("{*}IsLatest") == "true",
                item.tag.endswith("DeleteMarker"),
            )
            for item in found
        },
        key=lambda version: version.key,
    )


def uploads(bucket: Bucket) -> list[str]:
    """The keys of multipart uploads that were begun and neither completed nor aborted."""
    return sorted(item.findtext("{*}Key") or "" for item in _listed(bucket, "uploads", ("Upload",)))


def keep_versions(bucket: Bucket) -> None:
    """Switch the bucket's versioning on."""
    status = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    _request(bucket, "PUT", {"versioning": ""}, status)


def _listed(bucket: Bucket, what: str, tags: tuple[str, ...]) -> Iterator[ElementTree.Element]:
    """Every entry under the bucket's prefix, page by page."""
    markers = {"key-marker": "NextKeyMarker"}
    markers |= {f"{what.removesuffix('s')}-id-marker": f"Next{tags[0]}IdMarker"}
    query = {"prefix": f"{urlsplit(bucket.url).path.strip('/')}/", what: ""}
    while True:
        root = ElementTree.fromstring(_request(bucket, "GET", query))
        yield from (item for item in root if item.tag.rpartition("}")[2] in tags)
        if root.findtext("{*}IsTruncated") != "true":
            return
        query |= {name: root.findtext(f"{{*}}{tag}") or "" for name, tag in markers.items()}


def _request(bucket: Bucket, method: str, query: dict[str, str], body: bytes = b"") -> bytes:
    options = bucket.options
    endpoint, region = options["AWS_ENDPOINT_URL"], options["AWS_REGION"]
    path, host = f"/{urlsplit(bucket.url).netloc}", urlsplit(endpoint).netloc
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    words = urlencode(sorted(query.items()), quote_via=quote)
    signed = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    canonical = hashlib.sha256(
        f"{method}\n{path}\n{words}\n{lines}\n{signed}\n{digest}".encode()
    ).hexdigest()
    key = f"AWS4{options['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in [*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{canonical}"]:
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"{options['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={key.hex()}"
    )
    request = urllib.request.Request(
        f"{endpoint}{path}?{words}", data=body or None, headers=headers, method=method
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: bytes = response.read()
        return answer
