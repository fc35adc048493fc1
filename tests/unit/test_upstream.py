"""Tarballs of source packages, from an apt that is a script."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError
from memnotify.image import upstream
from memnotify.process import CommandLog
from memnotify.store import Store

NAME = "busybox_1.0.orig.tar.bz2"
CONTENT = "a tarball"

APT_CONFIG = """\
#!/bin/sh
echo "FILE='{folder}/sources.list'"
echo "PARTS='{folder}/parts/'"
"""
APT_GET = """\
#!/bin/sh
echo "$@" >> {folder}/asked
for word; do
    case $word in
    -oDir::Etc::sourceparts=*) cp "${{word#*=}}"/* {folder}/told ;;
    source) printf %s '{content}' > {name} ;;
    esac
done
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which an apt-get notes what it was told; it has one tarball."""
    for name in ("bin", "parts", "told"):
        (tmp_path / name).mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/ stable main\n")
    (tmp_path / "parts" / "more.sources").write_text("Types: deb\nURIs: http://b.example/\n")
    (tmp_path / "parts" / "old.bak").write_text("deb http://c.example/ stable main\n")
    for name, text in (("apt-config", APT_CONFIG), ("apt-get", APT_GET)):
        program = tmp_path / "bin" / name
        program.write_text(text.format(folder=tmp_path, content=CONTENT, name=NAME))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def pin(monkeypatch: pytest.MonkeyPatch, name: str = NAME, content: str = CONTENT) -> str:
    digest = hashlib.sha256(content.encode()).hexdigest()
    known = upstream.Pins(busybox={name: digest}, dropbear={})
    monkeypatch.setattr(upstream, "pins", lambda: known)
    return digest


def ensure(folder: Path) -> tuple[Path, str]:
    return upstream.ensure_upstream("busybox", store=Store(folder / "store"), log=CommandLog())


def test_a_tarball_is_fetched_once_from_where_the_machine_has_its_packages(
    apt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = pin(monkeypatch)
    tarball, found = ensure(apt)
    assert (tarball.name, tarball.read_text(), found) == (NAME, CONTENT, digest)
    told = "".join(path.read_text() for path in sorted((apt / "told").iterdir()))
    assert (
        told == "deb-src http://a.example/ stable main\nTypes: deb-src\nURIs: http://b.example/\n"
    )
    asked = (apt / "asked").read_text()
    assert asked.count("update") == 1 and "--download-only --tar-only busybox" in asked
    assert ensure(apt)[0] == tarball
    assert (apt / "asked").read_text() == asked


def test_another_file_of_that_name_is_refused(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, content="another")
    with pytest.raises(InfrastructureError, match="is another file: SHA-256 "):
        ensure(apt)


def test_a_version_that_is_not_pinned_is_named(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, name="busybox_2.0.orig.tar.bz2")
    with pytest.raises(InfrastructureError, match=r"has busybox_1.0.*knows busybox_2.0"):
        ensure(apt)


def test_without_apt_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match="there is no apt-get"):
        ensure(tmp_path)


def test_the_project_pins_what_debian_12_and_13_have() -> None:
    known = upstream.pins()
    assert {name.removesuffix(".orig.tar.bz2") for name in (*known.busybox, *known.dropbear)} == {
        *("busybox_1.35.0", "dropbear_2022.83"),
        *("busybox_1.37.0", "dropbear_2025.89"),
    }


def test_a_release_that_has_only_the_second_pinned_version_is_served(
    apt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(CONTENT.encode()).hexdigest()
    known = upstream.Pins(busybox={"busybox_0.9.orig.tar.bz2": "0" * 64, NAME: digest}, dropbear={})
    monkeypatch.setattr(upstream, "pins", lambda: known)
    tarball, found = ensure(apt)
    assert (tarball.name, found) == (NAME, digest)
