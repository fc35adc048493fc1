"""A base in pieces, with a server on this machine as kernel.org."""

from __future__ import annotations

import bz2
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify import places
from memnotify.errors import InfrastructureError
from memnotify.kernel.base import load_base
from memnotify.kernel.source import ensure_source
from memnotify.kernel.stored import kept_source
from memnotify.store import Store

from tests.support.in_pieces import (
    LINUX,
    MAKEFILE,
    MM1,
    MM1_FILE,
    PRESS,
    Lab,
    content,
)
from tests.support.website import Request, serve


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with serve(tmp_path / "site") as site:
        yield Lab(site, tmp_path)


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
