"""A base in three pieces, on a server on this machine instead of kernel.org."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path

from memnotify.kernel.base import Base, load_base
from memnotify.kernel.source import fetch_source
from memnotify.kernel.stored import Source
from memnotify.store import Store

from tests.support.website import Site

MAKEFILE = "VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = {}\nEXTRAVERSION ={}\n"


PRESS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "gz": gzip.compress,
    "": bytes,
}


BASE = """\
version = '2\\.6\\.24-rc6-mm1'
arch = {{}}
tools = {{}}

[[source]]
kind = "pieces"

[[source.piece]]
name = "linux-2.6.23.tar"
folders = [{hosts}]
sha256 = {{ {sha256} }}

[[source.piece]]
name = "patch-2.6.24-rc6"
folders = ["{site}testing/"]
checksums = "sha256sums.asc"

[[source.piece]]
name = "2.6.24-rc6-mm1"
folders = ["{site}akpm/"]
checksums = "sha256sums.asc"
"""


def tarball(*entries: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_000_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


LINUX = tarball(
    ("linux-2.6.23/Makefile", MAKEFILE.format(23, "").encode()),
    ("linux-2.6.23/mm/vmscan.c", b"int first;\nint second;\nint third;\n"),
    ("linux-2.6.23/arch/i386/old.c", b"int old;\n"),
)


RC6 = b"""\
diff --git a/Makefile b/Makefile
index 1..2 100644
--- a/Makefile
+++ b/Makefile
@@ -1,4 +1,4 @@
 VERSION = 2
 PATCHLEVEL = 6
-SUBLEVEL = 23
-EXTRAVERSION =
+SUBLEVEL = 24
+EXTRAVERSION = -rc6
diff --git a/arch/i386/old.c b/arch/i386/old.c
deleted file mode 100644
index 1..0
--- a/arch/i386/old.c
+++ /dev/null
@@ -1 +0,0 @@
-int old;
"""


MM1 = b"""\
diff -puN Makefile~a Makefile
--- a/Makefile~a
+++ a/Makefile
@@ -1,4 +1,4 @@
 VERSION = 2
 PATCHLEVEL = 6
 SUBLEVEL = 24
-EXTRAVERSION = -rc6
+EXTRAVERSION = -rc6-mm1
diff -puN /dev/null mm/pagewalk.c
--- /dev/null
+++ a/mm/pagewalk.c
@@ -0,0 +1 @@
+int pagewalk;
"""


MM1_FILE = "2.6.24-rc6-mm1.bz2"


class Lab:
    """The three pieces on the site; `known` says whose digests the base's file has."""

    def __init__(self, site: Site, root: Path) -> None:
        self.site = site
        self.kernels = root / "kernels"
        self.kernels.mkdir()
        self.store = Store(root / "store")
        self.said: list[str] = []
        digest = site.put("v2.6/linux-2.6.23.tar.bz2", bz2.compress(LINUX))
        self.publish_rc6(RC6)
        self.publish_mm1(MM1)
        self.describe(sha256=f'bz2 = "{digest}"')

    def publish_rc6(self, text: bytes) -> None:
        digest = self.site.put("testing/patch-2.6.24-rc6.gz", gzip.compress(text))
        self.site.put("testing/sha256sums.asc", f"{digest}  patch-2.6.24-rc6.gz\n".encode())

    def publish_mm1(self, text: bytes) -> str:
        return self.site.put(f"akpm/{MM1_FILE}", bz2.compress(text))

    def describe(self, *, sha256: str = "", hosts: tuple[str, ...] = ("",)) -> None:
        where = ", ".join(f'"{host or self.site.address}v2.6/"' for host in hosts)
        text = BASE.format(site=self.site.address, sha256=sha256, hosts=where)
        (self.kernels / "2.6.24-rc6-mm1.toml").write_text(text)

    @property
    def base(self) -> Base:
        return load_base("2.6.24-rc6-mm1", root=self.kernels)

    @property
    def lock(self) -> dict[str, str]:
        found: dict[str, str] = tomllib.loads(self.base.lock.read_text())["sha256"]
        return found

    def fetch(self, given: Path | None = None) -> Source:
        where = None if given is None else str(given)
        return fetch_source(self.base, where, store=self.store, progress=self.said.append)

    def asked(self) -> list[str]:
        names = [path.rpartition("/")[2] for path, _ in self.site.asked]
        self.site.asked.clear()
        return names


def content(source: Source) -> dict[str, bytes]:
    with tarfile.open(source.tarball) as archive:
        return {
            entry.name: file.read()
            for entry in archive
            if (file := archive.extractfile(entry)) is not None
        }
