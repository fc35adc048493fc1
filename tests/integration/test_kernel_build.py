"""Kernel builds from end to end, on a tree that compiles in a second."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from memnotify import process
from memnotify.digest import digest_value
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel.build import kernel_inputs
from memnotify.kernel.compiled import Compiled, Counts, count_compiled
from memnotify.model import Arch, KernelRequest
from memnotify.process import CommandFailed

from tests.support.fakekernel import TREE, Lab
from tests.support.processes import wait_for

ALL = ["mm/page_alloc.c", "mm/vmscan.c", "mm/vmstat.c"]
VMSTAT = (TREE / "mm/vmstat.c").read_text()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path).set_up()
    lab.add_series("v1", mm__vmstat_c=VMSTAT + "\nint first;\n")
    lab.add_series("v2", mm__vmstat_c=VMSTAT + "\nint second;\n", mm__extra_c="int extra;\n")
    return lab


def my_gcc(folder: Path, version: str) -> str:
    """Make a compiler, always at the same path, that reports this version."""
    path = folder / "my-gcc"
    says = f'[ "$1" = --version ] && echo my gcc {version} && exit'
    path.write_text(f'#!/bin/sh\n{says}\nexec gcc "$@"\n')
    path.chmod(0o755)
    return str(path)


def symbols(lab: Lab, revision: str) -> str:
    return lab.build(revision).file("System.map").read_text()


def test_a_kernel_has_its_files_and_facts(lab: Lab) -> None:
    kernel = lab.build("v1")
    assert {path.name for path in kernel.path.iterdir()} >= {
        "bzImage",
        "System.map",
        "config",
        "build.log",
    }
    assert "CONFIG_SWAP=y\n" in kernel.file("config").read_text()
    assert "first" in kernel.file("System.map").read_text()
    assert kernel.facts["version"] == "6.1.7"
    assert kernel.facts["patches"] == [{"name": "a.patch", "hunks": 1, "shifted": []}]
    assert kernel.facts["object_tree"] == "new"
    assert kernel.facts["seconds"] > 0


def test_what_is_compiled_is_told_with_any_make(lab: Lab) -> None:
    log = lab.build("v1").file("build.log").read_text()
    assert {line for line in log.splitlines() if line.startswith("  CC ")} == {
        f"  CC      {path.relative_to(TREE).with_suffix('.o')}" for path in TREE.glob("mm/*.c")
    }


def test_the_progress_of_a_build_has_an_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_BEAT", 0.05)
    base = lab.kernels / "6.1.toml"
    plain = base.read_text()
    base.write_text(f"files = 40\n{plain}")
    before = lab.build("v1").key
    told = [line for line in lab.said if line.endswith("compiled")]
    assert told and all(re.fullmatch(r"\d of about 40 files compiled", line) for line in told)
    base.write_text(plain)
    assert lab.build("v1").key == before, "it changes no kernel"


def test_the_last_build_says_how_many_files_there_are(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_BEAT", 0.05)
    base = lab.kernels / "6.1.toml"
    base.write_text(f"files = 900\n{base.read_text()}")
    told: list[Compiled] = []

    def build(revision: str) -> int:
        """Return how many files make compiled."""
        told.clear()
        return count_compiled(lab.build(revision, tell=told.append).file("build.log"))

    everything = build("v1")
    assert Counts(lab.store).of("6.1 x86_64") == everything
    changed = build("v2")
    assert 0 < changed < everything
    assert all((one.of, one.most) == (900, True) for one in told)
    shutil.rmtree(lab.store.root / "kernel")
    build("v1")
    build("v2")
    assert told and all((one.of, one.most) == (changed, False) for one in told)


@pytest.mark.parametrize(
    ("compiled", "files", "kept", "told"),
    [
        (0, None, False, "0 files compiled"),
        (1, 920, False, "1 of about 920 files compiled"),
        (97, 920, True, "97 of at most 920 files compiled"),
        (920, 920, False, "920 of about 920 files compiled"),
        (921, 920, False, "921 files compiled"),
    ],
)
def test_the_number_of_files_is_about_right(
    compiled: int, files: int | None, kept: bool, told: str
) -> None:
    assert str(Compiled.among(compiled, files, most=kept)) == told


def test_the_key_is_known_without_building(lab: Lab) -> None:
    request = KernelRequest(base="6.1", series="v1", arch=Arch.X86_64, source=str(TREE))
    inputs = kernel_inputs(
        request, store=lab.store, log=lab.log, kernels=lab.kernels, series=lab.series
    )
    assert inputs is not None
    assert lab.build("v1").key == digest_value(inputs)
    later = KernelRequest(base="6.1", series="v1", arch=Arch.X86_64)
    assert not kernel_inputs(
        later, store=lab.store, log=lab.log, kernels=lab.kernels, series=lab.series
    ), "no source was kept, so no key can be known"


def test_what_is_in_the_store_is_not_built_again(lab: Lab) -> None:
    first = lab.build("none")
    assert lab.build("none") == first
    assert lab.builds() == 1


def test_the_key_follows_everything_that_matters(lab: Lab, tmp_path: Path) -> None:
    keys = [lab.build("none").key, lab.build("v1").key]
    lab.configure("CONFIG_SWAP=y\nCONFIG_MEMCG=y\n")
    keys.append(lab.build("v1").key)
    lab.add_series("v1", mm__vmstat_c=VMSTAT + "\nint other;\n")
    keys.append(lab.build("v1").key)
    keys += [lab.build("v1", cc=my_gcc(tmp_path, version)).key for version in ("1.0", "1.1")]
    base = lab.kernels / "6.1.toml"
    base.write_text(base.read_text().replace("make = {", 'make = { W = "1",'))
    keys.append(lab.build("v1", cc=my_gcc(tmp_path, "1.1")).key)
    assert len(set(keys)) == len(keys)


def test_objects_of_another_compiler_are_not_used(lab: Lab, tmp_path: Path) -> None:
    for version in ("1.0", "1.1"):
        kernel = lab.build("none", cc=my_gcc(tmp_path, version))
        assert kernel.facts["object_tree"] == "new"
        assert lab.compiled() == ALL


def test_the_next_series_compiles_only_what_differs(lab: Lab) -> None:
    lab.build("none")
    assert lab.compiled() == ALL
    first = lab.build("v1")
    assert lab.compiled() == ["mm/vmstat.c"]
    assert first.facts["object_tree"] == "kept"
    assert "second" in symbols(lab, "v2")
    assert lab.compiled() == ["mm/extra.c", "mm/vmstat.c"]
    assert lab.said.count("unpacking Linux 6.1.7") == 1


def test_a_kernel_does_not_depend_on_what_was_built_before(lab: Lab, tmp_path: Path) -> None:
    after_others = [lab.build(revision) for revision in ("v1", "v2", "none")][-1]
    alone = Lab(tmp_path / "alone")
    alone.root.mkdir()
    # The same base file: it contains the path of HOLD, which is therefore part of the key.
    (alone.root / "kernels").symlink_to(lab.kernels)
    (alone.root / "series").symlink_to(lab.series)
    fresh = alone.build("none")
    assert fresh.key == after_others.key
    assert fresh.file("bzImage").read_bytes() == after_others.file("bzImage").read_bytes()
    assert not (lab.tree / "mm/extra.c").exists()


def test_a_failing_series_changes_nothing(lab: Lab) -> None:
    lab.build("v1")
    text = (lab.series / "v2/6.1/a.patch").read_text().replace("return zone->free", "return 0")
    lab.add_patch("v3", text)
    with pytest.raises(InputError, match=r"hunk 1 of 1 does not apply to mm/vmstat\.c:4"):
        lab.build("v3")
    assert "int first;" in (lab.tree / "mm/vmstat.c").read_text()
    assert not (lab.tree / "mm/extra.c").exists()


def test_a_series_that_does_not_compile_is_told_and_the_tree_stays(lab: Lab) -> None:
    lab.build("none")
    lab.add_series("v3", mm__vmstat_c=VMSTAT + "\nint broken\n")
    with pytest.raises(InfrastructureError, match="full output in") as caught:
        lab.build("v3")
    first, *rest = caught.value.message.splitlines()
    assert re.match(r"6\.1 v3 x86_64 failed to build: mm/vmstat\.c:\d+:.* error: ", first)
    assert any("mm/vmstat.o" in line for line in rest)
    lab.compiled()
    lab.build("v1")
    assert lab.compiled() == ["mm/vmstat.c"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Killed signal terminated program cc1", "host"),
        ("No space left on device", "host"),
        ("all is lost", "build"),
    ],
)
def test_a_host_without_room_is_not_taken_for_a_series_that_does_not_build(
    lab: Lab, said: str, kind: str
) -> None:
    lab.add_series("v3", mm__vmstat_c=VMSTAT + f"\n#error {said}\n")
    with pytest.raises(InfrastructureError, match=f"failed to build: .*{said}") as caught:
        lab.build("v3")
    assert caught.value.kind == kind


def test_what_the_linker_complains_of_is_said_and_not_what_it_warns_of(lab: Lab) -> None:
    said = "ld: warning: a stack that is executable\\nld: mm/vmstat.o: in function f:\\n"
    said += "ld: section .vdso overlaps .text\\nmake: *** [vmlinux] Error 1"
    makefile = (TREE / "Makefile").read_text()
    rule = "System.map: $(objects)\n"
    assert rule in makefile
    broken = makefile.replace(rule, f'{rule}\t@printf "{said}\\n" >&2; exit 1\n')
    lab.add_series("v3", Makefile=broken)
    with pytest.raises(InfrastructureError, match=r"^6\.1 v3 x86_64 failed to build: ld: section"):
        lab.build("v3")


def test_a_build_that_takes_too_long_is_not_taken_for_one_that_fails(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.kernel.build.PATIENCE", 1.0)
    lab.hold.touch()
    with pytest.raises(CommandFailed, match="timed out after 1 s") as caught:
        lab.build("none")
    assert caught.value.timed_out and caught.value.kind != "build"


def test_a_dropped_line_of_the_configuration_is_an_error(lab: Lab) -> None:
    lab.configure("CONFIG_SWAP=y\nCONFIG_SWOP=y\n")
    with pytest.raises(InputError, match=r"all\.config:2: CONFIG_SWOP=y \(got nothing\)"):
        lab.build("none")
    assert lab.builds() == 0


def test_a_changed_file_makes_the_tree_unsound(lab: Lab) -> None:
    lab.build("none")
    with (lab.tree / "mm/page_alloc.c").open("a") as file:
        file.write("\nint stray;\n")
    assert "stray" not in symbols(lab, "v1")
    assert lab.said.count("unpacking Linux 6.1.7") == 2


def test_a_missing_file_makes_the_tree_unsound(lab: Lab) -> None:
    lab.build("v1")
    (lab.tree / "include/linux/mm.h").unlink()
    assert "second" in symbols(lab, "v2")


def test_a_series_sets_the_options_that_it_adds(lab: Lab) -> None:
    adds = (
        "--- a/Kconfig\n+++ b/Kconfig\n@@ -1,2 +1,3 @@\n CONFIG_SWAP\n CONFIG_MEMCG\n+CONFIG_LAMP\n"
    )
    lab.add_patch("lamp", f"A patch.\n---\n{adds}")
    fragment = lab.series / "lamp/6.1/config"
    fragment.write_text("# Default n.\nCONFIG_LAMP=y\n")
    assert "CONFIG_LAMP=y\n" in lab.build("lamp").file("config").read_text()
    assert "LAMP" not in lab.build("v1").file("config").read_text()
    fragment.write_text("CONFIG_LAMP=y\nCONFIG_LAMB=y\n")
    with pytest.raises(InputError, match=f"{fragment}:2: CONFIG_LAMB=y \\(got nothing\\)"):
        lab.build("lamp")


def test_a_tarball_and_a_tree_are_the_same_source(lab: Lab, tmp_path: Path) -> None:
    tarball = tmp_path / "linux-6.1.7.tar.xz"
    with tarfile.open(tarball, "w:xz") as archive:
        archive.add(TREE, "linux-6.1.7")
    from_tree, from_tarball = lab.build("v1"), lab.build("v1", source=tarball)
    assert from_tree.file("bzImage").read_bytes() == from_tarball.file("bzImage").read_bytes()


def test_another_version_is_refused(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n")
    with pytest.raises(InputError, match=r"Linux 6\.12\.1, which is not 6\.1"):
        lab.build("none", source=tmp_path / "tree")


def test_makes_own_variables_do_not_reach_the_build(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKEFLAGS", "n")  # as `make -n` would pass it on
    monkeypatch.setenv("CPATH", "/nonexistent")
    assert "first" in symbols(lab, "v1")


_CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.support.fakekernel import Lab
print(Lab(Path(sys.argv[2])).build(sys.argv[3]).key, flush=True)
"""


def start(lab: Lab, revision: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(Path(__file__).parents[2]), str(lab.root), revision],
        stdout=subprocess.PIPE,
        text=True,
    )


def holding(lab: Lab) -> list[int]:
    """Return the processes whose command line names the lab's folder."""
    found = []
    for folder in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", folder.name) and int(folder.name) != os.getpid():
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if str(lab.hold).encode() in words:
                found.append(int(folder.name))
    return found


def test_two_processes_build_once(lab: Lab) -> None:
    lab.hold.touch()
    both = [start(lab, "v1"), start(lab, "v1")]
    wait_for(lambda: holding(lab))
    time.sleep(0.5)  # for the second one to reach the lock
    lab.hold.unlink()
    keys = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert keys[0] == keys[1] != ""
    assert lab.builds() == 1


def test_a_killed_build_leaves_no_process_and_no_half_kernel(lab: Lab) -> None:
    lab.build("none")
    lab.hold.touch()
    process = start(lab, "v1")
    wait_for(lambda: "int first;" in (lab.tree / "mm/vmstat.c").read_text() and holding(lab))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not holding(lab))
    lab.hold.unlink()
    lab.said.clear()
    assert "first" in symbols(lab, "v1")
    assert lab.said.count("unpacking Linux 6.1.7") == 1, "the tree was used although cut short"
    assert lab.compiled() == ALL


@pytest.mark.skipif(shutil.which("ccache") is None, reason="ccache is not installed")
def test_a_new_tree_takes_its_objects_from_ccache(lab: Lab) -> None:
    first = lab.build("none")
    assert (first.facts["ccache_hits"], first.facts["ccache_misses"]) == (0, 3)
    (lab.tree / "Kconfig").touch()
    second = lab.build("v1")
    assert second.facts["object_tree"] == "new"
    assert (second.facts["ccache_hits"], second.facts["ccache_misses"]) == (2, 1)


@pytest.mark.skipif(shutil.which("ccache") is None, reason="ccache is not installed")
def test_a_kernel_as_large_as_another_does_not_get_its_payload(lab: Lab) -> None:
    lab.add_series("same-size", mm__vmstat_c=VMSTAT + "\nint fifth;\n")
    assert b"first" in lab.build("v1").file("bzImage").read_bytes()
    assert b"fifth" in lab.build("same-size").file("bzImage").read_bytes()


@pytest.mark.skipif(shutil.which("ccache") is None, reason="ccache is not installed")
def test_ccache_preprocesses_assembly_and_not_c(lab: Lab) -> None:
    lab.build("none")
    calls = (lab.tree.parent / "ccache.calls").read_text().removeprefix("# ").split("\n# ")
    said = {name: set(words) for name, *words in (call.split() for call in calls)}
    assert sorted(name for name in said if name.endswith(".c")) == ALL
    for name in ALL:
        assert "cache_miss" in said[name] and "preprocessed_cache_miss" not in said[name]
    assert "unsupported_code_directive" in said["arch/x86/boot/piggy.S"]
