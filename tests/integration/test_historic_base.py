"""The needs of an old base: patches before the series, compiler options, configuration variants."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.kernel.base import load_base
from memnotify.kernel.build import ensure_kernel
from memnotify.kernel.config import merge_fragments
from memnotify.kernel.fixes import fixes_for, usual_config
from memnotify.model import Arch, KernelRequest
from memnotify.series.quilt import base_for_version, makefile_version, read_series_file
from memnotify.store import Artifact

from tests.support.fakekernel import TREE, Lab

VMSTAT = (TREE / "mm/vmstat.c").read_text()
SCAN = (TREE / "mm/vmscan.c").read_text()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path).set_up()
    lab.add_series("v1", mm__vmstat_c=VMSTAT + "\nint first;\n")
    return lab


def rewrite(lab: Lab, *, top: str = "", arch: str = "") -> None:
    """Add keys to the base's file, at its top and to its architecture."""
    file = lab.kernels / "6.1.toml"
    text = file.read_text().replace("[arch.x86_64]\n", f"[arch.x86_64]\n{arch}\n")
    file.write_text(f"{top}\n{text}")


def add_fix(lab: Lab, folder: str, name: str, before: str, after: str) -> None:
    place = lab.root / "patches" / folder
    place.mkdir(parents=True)
    diff = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    (place / "fix.patch").write_text("".join(diff))
    (place / "series").write_text("fix.patch\n")


def build(lab: Lab, revision: str, *, variant: str = "", cc: str | None = None) -> Artifact:
    return ensure_kernel(
        KernelRequest(
            base="6.1",
            series=revision,
            arch=Arch.X86_64,
            source=str(TREE),
            variant=variant,
            cc=cc,
        ),
        store=lab.store,
        log=lab.log,
        progress=lab.said.append,
        kernels=lab.kernels,
        series=lab.series,
    )


def test_a_base_own_patches_come_first_in_every_revision(lab: Lab) -> None:
    plain = build(lab, "none").key
    rewrite(lab, top='patches = ["toolchain/6.1", "guest/6.1"]')
    add_fix(lab, "toolchain/6.1", "mm/vmscan.c", SCAN, SCAN + "\nint fixed;\n")
    # The second is made for the result of the first.
    again = SCAN + "\nint fixed;\nint driver;\n"
    add_fix(lab, "guest/6.1", "mm/vmscan.c", SCAN + "\nint fixed;\n", again)
    none, v1 = build(lab, "none"), build(lab, "v1")
    assert len({plain, none.key, v1.key}) == 3
    for kernel in (none, v1):
        symbols = kernel.file("System.map").read_text()
        assert "fixed" in symbols
        assert "driver" in symbols
    assert [patch["name"] for patch in v1.facts["patches"]] == ["fix.patch", "fix.patch", "a.patch"]


def test_a_folder_of_patches_that_is_not_there_is_named(lab: Lab) -> None:
    rewrite(lab, top='patches = ["toolchain/6.1"]')
    with pytest.raises(
        InputError, match=r"6\.1\.toml:1: patches\[0\]: there is no .*toolchain/6\.1/series"
    ):
        build(lab, "none")


def compiler(lab: Lab, name: str, *, refuses: str = "-fnothing") -> str:
    """Make a compiler that rejects one option; return its path."""
    file = lab.root / name
    file.write_text(
        f'#!/bin/sh\necho "$@" >> {lab.root}/words\n'
        f'case "$*" in *{refuses}*) exit 1;; *--version*) echo {name} 4.1; exit;; esac\n'
        'exec gcc "$@"\n'
    )
    file.chmod(0o755)
    return str(file)


def test_the_compiler_gets_the_words_that_it_knows(lab: Lab) -> None:
    rewrite(
        lab,
        top='cc_flags = ["-std=gnu89", "-fcf-protection=none"]',
        arch='cc = ["-m64"]\ncc_flags = ["-fno-optimize-sibling-calls"]',
    )
    new = build(lab, "none")
    assert new.inputs["make"]["CC"] == (
        "gcc -m64 -std=gnu89 -fcf-protection=none -fno-optimize-sibling-calls"
    )
    assert new.facts["cc_flags_dropped"] == []
    cc = compiler(lab, "gcc-4.1", refuses="-fcf-protection")
    old = build(lab, "none", cc=cc)
    assert old.inputs["make"]["CC"] == f"{cc} -m64 -std=gnu89 -fno-optimize-sibling-calls"
    assert old.facts["cc_flags_dropped"] == ["-fcf-protection=none"]
    assert old.inputs["toolchain"]["cc"] == "gcc-4.1 4.1"
    compiled = [line for line in (lab.root / "words").read_text().splitlines() if "mm/vm" in line]
    assert compiled
    assert all(line.startswith("-m64 -std=gnu89 -fno-optimize") for line in compiled)


def test_a_compiler_may_warn_of_a_flag_that_it_does_not_know_and_of_other_things(lab: Lab) -> None:
    rewrite(lab, top='cc_flags = ["-fknown", "-funknown"]', arch='cc = ["-m64"]')
    file = lab.root / "compiler"  # ccache knows clang by its name
    file.write_text(
        "#!/bin/sh\necho clang: warning: another compiler is nearer >&2\n"
        'case "$*" in *-Werror*) exit 1;; *-funknown*) echo clang: warning: what? >&2;; esac\n'
        'for word; do shift; case $word in -f*known) ;; *) set -- "$@" "$word";; esac; done\n'
        'exec gcc "$@"\n'
    )
    file.chmod(0o755)
    built = build(lab, "none", cc=str(file))
    assert built.inputs["make"]["CC"] == f"{file} -m64 -fknown"
    assert built.facts["cc_flags_dropped"] == ["-funknown"]


def test_a_compiler_that_cannot_do_the_architecture_is_refused(lab: Lab) -> None:
    rewrite(lab, arch='cc = ["-m64"]\ncc_flags = ["-fno-pie"]')
    cc = compiler(lab, "gcc-small", refuses="-m64")
    with pytest.raises(InputError, match="gcc-small -m64 cannot compile even an empty file"):
        build(lab, "none", cc=cc)


def test_a_variant_is_another_configuration(lab: Lab) -> None:
    (lab.kernels / "fragments/other.config").write_text("CONFIG_SWAP=y\nCONFIG_MEMCG=y\n")
    rewrite(lab, arch='variant = { memcg = ["other.config"] }')
    usual, other = build(lab, "none"), build(lab, "none", variant="memcg")
    assert usual.key != other.key
    assert "CONFIG_MEMCG=y" not in usual.file("config").read_text()
    assert "CONFIG_MEMCG=y" in other.file("config").read_text()
    with pytest.raises(InputError, match=r"6\.1 has no variant numa for x86_64 .*memcg"):
        build(lab, "none", variant="numa")


def test_the_makefile_says_which_variant_of_a_series_fits(tmp_path: Path) -> None:
    for base in ("2.6.24", "2.6.24-rc6-mm1", "2.6.25", "6.1"):
        (tmp_path / "v4" / base).mkdir(parents=True)
        (tmp_path / "v4" / base / "series").touch()
    text = "VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 24\nEXTRAVERSION ="
    for extra, base in (("", "2.6.24"), (" -rc6-mm1", "2.6.24-rc6-mm1"), (" .7", "2.6.24")):
        version = makefile_version(text + extra + "\n")
        assert version is not None
        assert base_for_version("v4", version, root=tmp_path) == base
    assert base_for_version("v4", "2.6.25.20", root=tmp_path) == "2.6.25"
    for version in ("2.6.24-rc8-mm1", "2.6.25-rc1", "2.6.250"):
        with pytest.raises(InputError, match=rf"no variant for Linux {re.escape(version)}"):
            base_for_version("v4", version, root=tmp_path)


@pytest.mark.parametrize("name", ["2.6.24", "2.6.24-rc6-mm1", "2.6.25"])
def test_the_projects_historic_bases_have_all_that_they_name(name: str) -> None:
    base = load_base(name)
    newest = base.patches_with({"ld": "GNU ld (GNU Binutils) 99.0", "cc": "gcc (GCC) 99.0"})
    assert len(newest) == len(base.table.with_tool)
    for folders in (*base.patches, newest):
        for folder in folders:
            patches = read_series_file(folder / "series")
            # A patch that no series names would reach no kernel.
            assert [patch.path for patch in patches] == sorted(folder.glob("*.patch"))
            assert (folder / "README.md").exists()
    for arch, table in base.table.arch.items():
        for variant in ("", *table.variant):
            assert merge_fragments((*usual_config(base), *base.config(Arch(arch), variant)))
    assert {line.symbol for line in merge_fragments(usual_config(base))} >= {
        {"2.6.24": "CONFIG_VIRTIO_BALLOON_LEGACY"}.get(name, "CONFIG_VIRTIO_BALLOON")
    }
    assert "-m32" in base.arch(Arch.I386).cc


LINKED, COMPILED = {"2.6.24-ld-2.47"}, {"2.6.24-gcc-15"}


@pytest.mark.parametrize(
    ("tool", "said", "wanted"),
    [
        ("ld", "GNU ld (GNU Binutils for Debian) 2.40", set()),
        ("ld", "GNU ld (GNU Binutils for Ubuntu 24.04 2.47) 2.42", set()),
        ("ld", "GNU ld version 2.46.1-37.fc44", set()),
        ("ld", "GNU ld (GNU Binutils for Debian) 2.47.50.20261115", LINKED),
        ("ld", "GNU ld (GNU Binutils) 2.47", LINKED),
        ("ld", "GNU ld version 2.101-1.fc50", LINKED),
        ("ld", "GNU ld (GNU Binutils) 3.0", LINKED),
        ("ld", "LLD 22.1.8 (compatible with GNU linkers)", set()),
        ("ld", "", set()),
        ("cc", "gcc (Debian 12.2.0-14+deb12u1) 12.2.0", set()),
        ("cc", "gcc-14 (Debian 14.2.0-19) 14.2.0", set()),
        ("cc", "gcc-15 (Debian 15.2.0-9) 15.2.0", COMPILED),
        ("cc", "x86_64-linux-gnu-gcc-16 (Debian 16.2.0-3) 16.2.0", COMPILED),
        ("cc", "gcc (GCC) 16.1.1 20260430 (Red Hat 16.1.1-1)", COMPILED),
        ("cc", "Debian clang version 22.1.8", set()),
    ],
)
def test_a_patch_for_some_toolchains_is_in_their_kernels_only(
    tool: str, said: str, wanted: set[str]
) -> None:
    base = load_base("2.6.24")
    usual = fixes_for(base, lambda name: None).patches
    found = fixes_for(base, lambda name: None, versions={tool: said}).patches
    assert found[: len(usual)] == usual
    assert {patch.path.parent.name for patch in found[len(usual) :]} == wanted


def test_what_is_different_in_2_6_25_is_known_by_its_number() -> None:
    """The same number means the same fix; otherwise the tree in between could get two halves."""
    old, new = (load_base(name).patches[0][0] for name in ("2.6.24", "2.6.25"))
    names = [{path.name for path in folder.glob("*.patch")} for folder in (old, new)]
    assert names[0] - names[1] == {"0004-i386-declare-do_IRQ-fastcall.patch"}
    assert names[1] - names[0] == {"0014-timeconst-ask-an-array-for-its-length.patch"}


def test_a_base_brings_the_configuration_of_its_drivers(lab: Lab) -> None:
    rewrite(lab, top='patches = ["guest/6.1"]')
    add_fix(lab, "guest/6.1", "mm/vmscan.c", SCAN, SCAN + "\nint driver;\n")
    plain = build(lab, "none")
    config = lab.root / "patches/guest/6.1/config"
    config.write_text("CONFIG_MEMCG=y\n# CONFIG_SWAP is not set\n")
    lab.configure("CONFIG_SWAP=y\n")  # a fragment of the base overrides it
    with_it = build(lab, "none")
    assert plain.key != with_it.key
    assert with_it.file("config").read_text().split() == ["CONFIG_MEMCG=y", "CONFIG_SWAP=y"]
    config.write_text("CONFIG_DREAMT_UP=y\n")
    with pytest.raises(InputError, match=r"guest/6\.1/config:1: CONFIG_DREAMT_UP=y \(got nothing"):
        build(lab, "none")
