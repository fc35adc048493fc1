"""A web server for tests: serves a folder, also in ranges, and breaks off on request."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Request = BaseHTTPRequestHandler


class Site:
    """`cut` maps a file name to the number of bytes after which its next answer ends, once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self.ranges = True
        self.cut: dict[str, int] = {}
        self.asked: list[tuple[str, str | None]] = []  # path, Range
        self.sent: dict[str, int] = {}  # bytes by file name

    def put(self, name: str, data: bytes) -> str:
        """Publish a file and return its SHA-256."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def answer(self, request: Request) -> None:
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        path = self.folder / request.path.lstrip("/")
        if not path.is_file():
            request.send_error(404)
            return
        data = path.read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        start = 0
        if wanted and self.ranges and request.headers.get("If-Range") == tag:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(data) - start))
        request.send_header("ETag", tag)
        request.end_headers()
        part = data[start : self.cut.pop(path.name, len(data))]
        self.sent[path.name] = self.sent.get(path.name, 0) + len(part)
        request.wfile.write(part)


@contextmanager
def serve(folder: Path) -> Iterator[Site]:
    """Serve a folder on a free port of 127.0.0.1."""
    site = Site(folder)

    class Handler(Request):
        def do_GET(self) -> None:
            site.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.address = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
