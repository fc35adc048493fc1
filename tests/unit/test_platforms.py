"""tests/platforms/run: what it takes over from the host, and what it reads from a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.platforms import platforms

LOG = """\
12 cells: 12 ok, 0 findings, 0 infrastructure failures
results in runs/demo
============ 3 failed, 2000 passed, 4 skipped in 61.50s (0:01:01) =============
make: *** [Makefile:60: test] Error 1
"""


def test_the_line_that_sums_a_part_up() -> None:
    assert platforms.said(LOG, "demo") == "12 cells: 12 ok, 0 findings, 0 infrastructure failures"
    assert platforms.said(LOG, "test") == "3 failed, 2000 passed, 4 skipped in 61.50s (0:01:01)"
    assert platforms.said(LOG, "id") == "make: *** [Makefile:60: test] Error 1"
    assert platforms.said("", "demo") == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)", "10.0.13"),
        ("GNU Make 4.4.1", "4.4.1"),
        ("ldd (Debian GLIBC 2.41-12+deb13u5) 2.41", "2.41"),
        ("bash: gcc: command not found", "?"),
    ],
)
def test_versions(text: str, number: str) -> None:
    assert platforms.number(text) == number


def test_pip_finds_its_index_as_on_the_host(tmp_path: Path) -> None:
    root, index, certificate = tmp_path / "root", tmp_path / "index/simple", tmp_path / "ca.crt"
    (root / "etc").mkdir(parents=True)
    index.mkdir(parents=True)
    certificate.write_text("ours")
    settings = {"extra-index-url": f"file://{index}", "cert": str(certificate), "timeout": "9"}
    text, folders = platforms.pip_conf(settings, root)
    assert text.splitlines() == [
        "[global]",
        f"extra-index-url = file://{index}",
        "cert = /etc/host/ca.crt",
        "timeout = 9",
    ]
    assert folders == [index.parent]
    assert (root / "etc/host/ca.crt").read_text() == "ours"


def test_apt_tells_the_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "Debian|Debian-Security|http://security.example/debian/\n"
        "Other|Other|http://other.example/\n"
        "Debian|Debian|http://mirror.example/debian/\n"
    )
    monkeypatch.setattr(platforms, "output_of", lambda words: lines)
    debian, ubuntu = platforms.DISTROS[0], platforms.DISTROS[-1]
    assert platforms.mirror_of(debian) == "http://mirror.example/debian/"
    with pytest.raises(platforms.Unusable, match=r"no mirror of Ubuntu.*--mirror"):
        platforms.mirror_of(ubuntu)


def test_only_what_reaches_a_mirror_is_taken_from_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        'Acquire::http::Proxy "http://proxy.example";\n'
        'Acquire::Check-Date "false";\n'
        'Dir::Etc "etc/apt";\n'
        'Acquire::Languages "none";\n'
    )
    monkeypatch.setattr(platforms, "output_of", lambda words: lines)
    assert platforms.apt_configuration().splitlines() == lines.splitlines()[:2]
