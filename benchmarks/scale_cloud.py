"""A bucket and a table with a made-up dataset of any size, behind the interfaces of S3 and DynamoDB on loopback.

Only for `scale.py`. Pages are those of AWS: a thousand objects, a megabyte of items. What is written is kept; what is
asked is counted. Records are as long as real ones.
"""

import base64
import hashlib
import io
import json
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from PIL import Image

DATASET, SHARDS = "parts", 8
WIDTH, HEIGHT = 640, 480
AT = "2026-01-01T00:00:00.000Z"
_PAGE, _PAGE_BYTES = 1000, 1 << 20
# Two of five parts have no defect; each of the others has a mask.
_GOOD = 2 / 5


class Made:
    """The dataset: `images` pictures of `labels` labels, and a mask for each picture with a defect."""

    def __init__(self, images: int, labels: int) -> None:
        self._labels = labels
        numbers = {self._key(number): number for number in range(images)}
        masks = {self._mask_key(key): number for key, number in numbers.items() if "/good/" not in key}
        self._numbers = numbers | masks
        self.keys = sorted(self._numbers)
        self.shards: list[list[str]] = [[] for _ in range(SHARDS)]
        for key in self.keys:
            self.shards[zlib.crc32(key.encode()) % SHARDS].append(key)

    def _key(self, number: int) -> str:
        is_good = number % 5 < 5 * _GOOD
        label = "good" if is_good else f"surface_defect_of_class_{number % (self._labels - 1):03}_long_scratch"
        return f"datasets/{DATASET}/train/{label}/camera-3_2026-01-01_part_{number:08}.png"

    def _mask_key(self, key: str) -> str:
        _, _, _, label, name = key.split("/")
        return f"datasets/{DATASET}/ground_truth/{label}/{name.removesuffix('.png')}_mask.png"

    def data(self, key: str) -> bytes | None:
        number = self._numbers.get(key)
        return None if number is None else _picture() + f"{number:08}".encode()

    def etag(self, key: str) -> str:
        return hashlib.md5(key.encode()).hexdigest()

    def record(self, key: str) -> dict[str, Any]:
        """An item as DynamoDB writes it."""
        digest = hashlib.sha256(self.data(key) or b"").hexdigest()
        _, _, side, label, _ = key.split("/")
        texts = {"pk": f"IMAGES#{DATASET}#{zlib.crc32(key.encode()) % SHARDS}", "sk": key, "state": "ACCEPTED"}
        texts |= {"label": label, "etag": self.etag(key), "digest": digest, "sequencer": digest}
        texts |= {"uploaded_at": AT, "version_id": digest[:32]}
        if side == "ground_truth":
            box = {"L": [{"N": str(edge)} for edge in (100, 80, 60, 40)]}
            numbers = {"width": WIDTH, "height": HEIGHT, "specks": 0}
            other = texts | {"kind": "mask", "folder": ""}
            return _written(other, numbers) | {"boxes": {"L": [box, box]}}
        shades = hashlib.shake_256(digest.encode()).digest(144)
        texts |= {"kind": "image", "folder": side, "format": "PNG", "looks": digest[:16]}
        texts |= {"thumbnail": base64.b64encode(shades).decode()}
        measured = {f"statistic_{n}": f"0.{int(digest[n : n + 6], 16)}" for n in range(10)}
        found = _written(texts, {"width": WIDTH, "height": HEIGHT, "size": 100_000 + int(digest[:4], 16)})
        return found | {"statistics": {"M": {name: {"N": value} for name, value in measured.items()}}}


def _written(texts: dict[str, str], numbers: dict[str, int]) -> dict[str, Any]:
    return {name: {"S": text} for name, text in texts.items()} | {n: {"N": str(value)} for n, value in numbers.items()}


@cache
def _picture() -> bytes:
    image = Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("RGB")
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


class Cloud(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, images: int, labels: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.made = Made(images, labels)
        self.written: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.asked: Counter[str] = Counter()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Cloud

    def log_message(self, *_: Any) -> None:
        """Nothing is told."""

    @cached_property
    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_one_request(self) -> None:
        self.__dict__.pop("_body", None)
        super().handle_one_request()

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        query, (bucket, _, key) = parse_qs(place.query), unquote(place.path)[1:].partition("/")
        if place.path == "/asked":
            asked, self.server.asked = self.server.asked, Counter()
            self._answer(json.dumps(asked).encode())
        elif not key:
            self.server.asked["S3 ListObjectsV2"] += 1
            self._answer(self._listing(bucket, query), Content_Type="application/xml")
        else:
            data = self.server.made.data(key) if bucket == "data" else self.server.written.get(key)
            self.server.asked["S3 GetObject"] += 1
            if data is None:
                self._answer(b"<Error><Code>NoSuchKey</Code></Error>", 404)
            else:
                etag = self.server.made.etag(key) if bucket == "data" else hashlib.md5(data).hexdigest()
                self._answer(data, ETag=f'"{etag}"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")

    def _listing(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        made, prefix = self.server.made, query.get("prefix", [""])[0]
        if "delimiter" in query:
            folders = f"<CommonPrefixes><Prefix>{prefix}{DATASET}/</Prefix></CommonPrefixes>"
            return f"<ListBucketResult>{folders}</ListBucketResult>".encode()
        keys = made.keys if bucket == "data" else sorted(self.server.written)
        start = query.get("continuation-token") or query.get("start-after") or [""]
        first = bisect_right(keys, start[0])
        page = keys[first : first + _PAGE]
        entries = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{AT}</LastModified><ETag>&quot;{made.etag(key)}&quot;</ETag>"
            "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Size>100000</Size><StorageClass>STANDARD</StorageClass>"
            "</Contents>"
            for key in page
            if key.startswith(prefix)
        )
        more = first + _PAGE < len(keys)
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        head = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        return f'<?xml version="1.0"?><ListBucketResult>{head}{entries}</ListBucketResult>'.encode()

    def do_PUT(self) -> None:
        place = urlsplit(self.path)
        query, key = parse_qs(place.query), unquote(place.path)[1:].partition("/")[2]
        data = self._plain()
        if "partNumber" in query:
            self.server.asked["S3 UploadPart"] += 1
            self.server.parts[query["uploadId"][0]][int(query["partNumber"][0])] = data
        else:
            self.server.asked["S3 PutObject"] += 1
            if self.headers.get("If-None-Match") and key in self.server.written:
                self._answer(b"<Error><Code>PreconditionFailed</Code></Error>", 412)
                return
            self.server.written[key] = data
        self._answer(ETag=f'"{hashlib.md5(data).hexdigest()}"')

    def _plain(self) -> bytes:
        """The body without the lengths that an upload with a trailing checksum has in it."""
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return self._body
        found = b""
        while length := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(length)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return found

    def do_POST(self) -> None:
        if target := self.headers.get("X-Amz-Target"):
            self._table(target.rpartition(".")[2], json.loads(self._body))
            return
        place = urlsplit(self.path)
        query, key = parse_qs(place.query, keep_blank_values=True), unquote(place.path)[1:].partition("/")[2]
        if "uploads" in query:
            upload = str(len(self.server.parts))
            self.server.parts[upload] = {}
            self.server.asked["S3 CreateMultipartUpload"] += 1
            name, answer = "InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>"
        else:
            _ = self._body
            self.server.asked["S3 CompleteMultipartUpload"] += 1
            parts = self.server.parts.pop(query["uploadId"][0])
            self.server.written[key] = b"".join(part for _, part in sorted(parts.items()))
            name, answer = "CompleteMultipartUploadResult", "<ETag>x</ETag>"
        self._answer(f'<?xml version="1.0"?><{name}>{answer}</{name}>'.encode())

    def _table(self, operation: str, request: dict[str, Any]) -> None:
        answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"Query": self._query}
        self.server.asked[f"DynamoDB {operation}"] += 1
        answer = answers.get(operation, lambda _: {})(request)
        self._answer(json.dumps(answer).encode(), Content_Type="application/x-amz-json-1.0")

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        values = [value["S"] for value in request["ExpressionAttributeValues"].values()]
        shard = next(int(value.rpartition("#")[2]) for value in values if value.startswith("IMAGES#"))
        after = next((value for value in values if not value.startswith("IMAGES#")), "")
        after = request["ExclusiveStartKey"]["sk"]["S"] if "ExclusiveStartKey" in request else after
        names = request.get("ExpressionAttributeNames", {})
        facts = [names[name] for name in request.get("ProjectionExpression", "").split(", ") if name]
        items, read, last = [], 0, ""
        for item in self._items(shard, after):
            read += sum(len(name) + len(str(value)) - 10 for name, value in item.items())
            if read > _PAGE_BYTES:
                break
            items.append({name: item[name] for name in facts if name in item} if facts else item)
            last = item["sk"]["S"]
        else:
            last = ""
        self.server.asked["read units"] += min(read, _PAGE_BYTES) // 4096 + 1
        more = {"LastEvaluatedKey": {"pk": {"S": f"IMAGES#{DATASET}#{shard}"}, "sk": {"S": last}}} if last else {}
        return {"Items": items, "Count": len(items), **more}

    def _items(self, shard: int, after: str) -> Iterator[dict[str, Any]]:
        keys = self.server.made.shards[shard]
        for place in range(bisect_right(keys, after), len(keys)):
            yield self.server.made.record(keys[place])


def serve(images: int, labels: int, told: Any) -> None:
    """Serve until the process ends; tells the port."""
    cloud = Cloud(images, labels)
    told.put(cloud.server_port)
    cloud.serve_forever()
