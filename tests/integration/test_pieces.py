"""A base in pieces, with a server on this machine as kernel.org."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from memnotify import places
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel.base import Base, load_base
from memnotify.kernel.source import ensure_source, fetch_source
from memnotify.kernel.stored import Source, kept_source
from memnotify.store import Store, digest_tree

from tests.support.website import Request, Site, serve

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


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with serve(tmp_path / "site") as site:
        yield Lab(site, tmp_path)


def content(source: Source) -> dict[str, bytes]:
    with tarfile.open(source.tarball) as archive:
        return {
            entry.name: file.read()
            for entry in archive
            if (file := archive.extractfile(entry)) is not None
        }


def test_the_tree_is_put_together_in_order(lab: Lab) -> None:
    source = lab.fetch()
    assert source.version == "2.6.24-rc6-mm1"
    files = content(source)
    assert sorted(files) == ["Makefile", "mm/pagewalk.c", "mm/vmscan.c"]
    assert files["Makefile"].decode() == MAKEFILE.format(24, " -rc6-mm1")
    assert all(name in source.origin for name in ("linux-2.6.23.tar.bz2", "rc6.gz", MM1_FILE))
    assert ensure_source(lab.base, None, store=lab.store, progress=lab.said.append) == source
    assert list(lab.store.folder("downloads").iterdir()) == []


def test_only_what_nothing_vouches_for_is_pinned(lab: Lab) -> None:
    digest = lab.publish_mm1(MM1)
    lab.fetch()
    assert lab.lock == {MM1_FILE: digest}
    assert f"pinned {MM1_FILE} in {lab.base.lock}" in lab.said


def test_a_pinned_file_that_changes_is_refused(lab: Lab) -> None:
    before = lab.publish_mm1(MM1)
    lab.fetch()
    after = lab.publish_mm1(MM1 + b"\n")
    lab.store = Store(lab.store.root.with_name("fresh"))
    with pytest.raises(InfrastructureError) as caught:
        lab.fetch()
    said = str(caught.value)
    assert before in said
    assert after in said
    assert f"pinned in {lab.base.lock}: if the new file is correct, remove its line there" in said
    assert lab.lock == {MM1_FILE: before}
    lab.base.lock.unlink()
    lab.fetch()
    assert lab.lock == {MM1_FILE: after}


@pytest.mark.parametrize("why", ["installed", "read-only"])
def test_the_lock_file_of_an_installation_is_among_the_users_data(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """An upgrade replaces the data in a package, and other users share it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if why == "installed":
        monkeypatch.setattr(places, "_INSTALLED", tmp_path)
    else:
        # Root may write anywhere.
        monkeypatch.setattr(os, "access", lambda path, _: Path(path) != lab.base.root)
    before = lab.publish_mm1(MM1)
    lab.fetch()
    own = tmp_path / "data/memnotify/kernels" / lab.base.lock.name
    assert tomllib.loads(own.read_text())["sha256"] == {MM1_FILE: before}
    assert f"pinned {MM1_FILE} in {own}" in lab.said
    assert not lab.base.lock.exists()
    lab.publish_mm1(MM1 + b"\n")
    lab.store = Store(lab.store.root.with_name("fresh"))
    with pytest.raises(InfrastructureError, match=f"but {before} was expected") as caught:
        lab.fetch()
    assert f"pinned in {own}: if the new file is correct" in str(caught.value)


def test_a_file_whose_digest_is_known_and_other_is_refused(lab: Lab) -> None:
    lab.describe(sha256=f'bz2 = "{"0" * 64}"')
    with pytest.raises(InfrastructureError, match=f"but {'0' * 64} was expected") as caught:
        lab.fetch()
    assert "pinned" not in str(caught.value)
    assert not lab.base.lock.exists()


def test_a_list_of_checksums_is_believed(lab: Lab) -> None:
    lab.site.put("testing/sha256sums.asc", f"{'1' * 64}  patch-2.6.24-rc6.gz\n".encode())
    with pytest.raises(InfrastructureError, match=f"rc6.gz: its .* but {'1' * 64} was expected"):
        lab.fetch()


@pytest.mark.parametrize("suffix", ["xz", "bz2", "gz"])
def test_any_compression_will_do(lab: Lab, suffix: str) -> None:
    for path in lab.site.folder.rglob("*linux*"):
        path.unlink()
    digest = lab.site.put(f"v2.6/linux-2.6.23.tar.{suffix}", PRESS[suffix](LINUX))
    lab.describe()
    lab.fetch()
    assert lab.lock[f"linux-2.6.23.tar.{suffix}"] == digest


def test_the_next_address_is_tried(lab: Lab) -> None:
    lab.describe(hosts=("http://127.0.0.1:1/", lab.site.address + "none/", ""))
    assert lab.fetch().version == "2.6.24-rc6-mm1"


def test_what_is_in_the_store_is_not_downloaded_again(lab: Lab) -> None:
    source = lab.fetch()
    lab.asked()
    assert lab.fetch() == source
    assert lab.asked() == []


def test_a_piece_that_came_whole_is_not_downloaded_again(lab: Lab) -> None:
    (lab.site.folder / f"akpm/{MM1_FILE}").unlink()
    with pytest.raises(InfrastructureError, match=rf"akpm/{MM1_FILE}: 404"):
        lab.fetch()
    lab.publish_mm1(MM1)
    lab.asked()
    lab.fetch()
    assert not {"linux-2.6.23.tar.bz2", "patch-2.6.24-rc6.gz"} & set(lab.asked())


def test_a_download_that_was_cut_short_goes_on_in_the_next_run(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "linux-2.6.23.tar.bz2"
    answer = lab.site.answer

    def cut(request: Request) -> None:
        lab.site.cut[name] = 40
        answer(request)

    monkeypatch.setattr(lab.site, "answer", cut)
    with pytest.raises(InfrastructureError, match="connection closed"):
        lab.fetch()
    assert kept_source(lab.base, store=lab.store) is None
    monkeypatch.setattr(lab.site, "answer", answer)
    lab.site.cut.clear()
    lab.fetch()
    assert lab.site.sent[name] == len(bz2.compress(LINUX))


def test_the_makefile_has_the_last_word(lab: Lab) -> None:
    lab.publish_mm1(MM1.replace(b"+EXTRAVERSION = -rc6-mm1", b"+EXTRAVERSION = -rc6-mm2"))
    with pytest.raises(InfrastructureError, match=r"2\.6\.24-rc6-mm2, which is not 2\.6\.24-rc6"):
        lab.fetch()
    assert not lab.base.lock.exists(), "a wrong file was pinned"
    assert lab.store.listing("source") == []
    lab.publish_mm1(MM1)
    lab.fetch()


@pytest.mark.parametrize(
    ("patch", "complaint"),
    [
        (MM1.replace(b" SUBLEVEL = 24", b" SUBLEVEL = 25"), "does not apply .* Makefile hunk 1"),
        (MM1.replace(b"a/mm/pagewalk.c", b"a/../../evil"), "leads out of the tree"),
        (MM1.replace(b"a/mm/pagewalk.c", b"/tmp/evil"), "/tmp/evil leads out of the tree"),
        (b"diff --git a/x b/x\nnew file mode 120000\n" + MM1, "symbolic link"),
        (MM1[:-20], "incomplete hunk header"),
        (MM1[:-5], "does not apply|cut off"),
        (MM1[:-16], "truncated within a hunk"),
        (b"<html>Please log in</html>\n", "no unified diff"),
        (b"--- a/Makefile\n+++ a/Makefile\n1c\nevil\n.\n!touch evil\n", "no unified diff"),
    ],
)
def test_a_bad_patch_is_refused_and_not_pinned(lab: Lab, patch: bytes, complaint: str) -> None:
    lab.publish_mm1(patch)
    with pytest.raises(InfrastructureError, match=complaint) as caught:
        lab.fetch()
    assert "\n" not in str(caught.value)
    assert not lab.base.lock.exists()
    assert not list(lab.store.root.rglob("evil"))
    assert lab.store.listing("source") == []


def test_a_patch_that_needs_fuzz_is_refused(lab: Lab) -> None:
    hunk = b"--- a/mm/vmscan.c\n+++ a/mm/vmscan.c\n@@ -1,3 +1,3 @@\n"
    lab.publish_mm1(MM1 + hunk + b" int other;\n-int second;\n+int zweite;\n int third;\n")
    with pytest.raises(InfrastructureError, match=r"vmscan\.c hunk 1"):
        lab.fetch()


def test_a_patch_that_is_a_bomb_is_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memnotify.kernel.assemble._MOST_BYTES", 1 << 20)
    lab.publish_mm1(b"\0" * (8 << 20))
    with pytest.raises(InfrastructureError, match="larger than any kernel patch"):
        lab.fetch()


@pytest.mark.parametrize("suffix", ["xz", "bz2", "gz", ""])
def test_a_folder_with_the_pieces_is_taken(lab: Lab, tmp_path: Path, suffix: str) -> None:
    lab.describe()
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, data in (
        ("linux-2.6.23.tar", LINUX),
        ("patch-2.6.24-rc6", RC6),
        ("2.6.24-rc6-mm1", MM1),
    ):
        (folder / (f"{name}.{suffix}" if suffix else name)).write_bytes(PRESS[suffix](data))
    source = lab.fetch(folder)
    assert lab.asked() == []
    assert not lab.base.lock.exists(), "what is given by hand is not for others"
    assert source.version == "2.6.24-rc6-mm1"
    tree = tmp_path / "tree"
    with tarfile.open(source.tarball) as archive:
        archive.extractall(tree)
    # The same tree, given as a tree, is the same source, whatever its pieces were.
    assert lab.fetch(tree).digest == source.digest == digest_tree(tree)


def test_a_folder_that_lacks_a_piece_is_refused(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "linux-2.6.23.tar.bz2").write_bytes(bz2.compress(LINUX))
    with pytest.raises(InputError, match=r"this folder has no patch-2\.6\.24-rc6") as caught:
        lab.fetch(folder)
    assert caught.value.file == folder


def test_a_wrong_piece_by_hand_is_refused(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "linux-2.6.23.tar.bz2").write_bytes(bz2.compress(LINUX + b"x"))
    with pytest.raises(InputError, match=r"mine/linux-2\.6\.23\.tar\.bz2: its SHA-256 is"):
        lab.fetch(folder)


def test_a_tarball_of_the_whole_tree_is_taken(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "mine.tar.gz"
    whole = tarball(("linux/Makefile", MAKEFILE.format(24, " -rc6-mm1").encode()))
    file.write_bytes(gzip.compress(whole))
    assert lab.fetch(file).version == "2.6.24-rc6-mm1"
    file.write_bytes(gzip.compress(LINUX))
    with pytest.raises(InputError, match=r"Linux 2\.6\.23, which is not 2\.6\.24-rc6-mm1"):
        lab.fetch(file)


def test_an_unreachable_host_is_one_line(lab: Lab) -> None:
    lab.describe(hosts=("http://127.0.0.1:1/", "http://127.0.0.1:2/"))
    with pytest.raises(InfrastructureError) as caught:
        lab.fetch()
    said = str(caught.value)
    assert caught.value.kind == "unreachable"
    assert "\n" not in said
    for word in (
        "127.0.0.1:1/v2.6/linux-2.6.23.tar.xz: ",
        "127.0.0.1:2/v2.6/linux-2.6.23.tar.xz: ",
        "kernel fetch 2.6.24-rc6-mm1 --source TREE-OR-TARBALL-OR-FOLDER-OF-PIECES",
    ):
        assert word in said


def test_the_projects_own_bases_name_what_history_knows() -> None:
    mm1, release, later = (load_base(name) for name in ("2.6.24-rc6-mm1", "2.6.24", "2.6.25"))
    assert mm1.accepts("2.6.24-rc6-mm1")
    assert not release.accepts("2.6.24-rc6-mm1")
    assert not mm1.accepts("2.6.24")
    assert later.accepts("2.6.25")
    assert not later.accepts("2.6.25-rc1")
    # The tree in between takes what either needs.
    assert [set(folders) for folders in mm1.patches] == [
        {*old, *new} for old, new in zip(release.patches, later.patches, strict=True)
    ]
