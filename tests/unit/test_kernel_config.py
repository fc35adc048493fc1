"""Configuration: fragments are merged, and nothing is dropped silently."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.kernel.base import bases, load_base
from memnotify.kernel.config import check_config, fragment_text, merge_fragments

from tests.support.ours import BASES

# A version of each base, as a tree of it states it.
VERSIONS = {
    "2.6.24-rc6-mm1": "2.6.24-rc6-mm1",
    "2.6.24": "2.6.24",
    "2.6.25": "2.6.25",
    "6.1.192": "6.1",
    "6.12.118": "6.12",
    "7.3.4": "7.3",
}


# Groups of hundreds of files, or code in every file, that are off because allnoconfig is the base.
HEAVY = {
    "AUDIT",
    "BPF_SYSCALL",
    "CRYPTO",
    "DEBUG_FS",
    "DEBUG_INFO",
    "DRM",
    "FTRACE",
    "INPUT",
    "MODULES",
    "NET",
    "SCSI",
    "SECURITY",
    "SOUND",
    "USB_SUPPORT",
    "VT",
}


def fragment(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_later_fragment_holds(tmp_path: Path) -> None:
    first = fragment(tmp_path / "a", '# text\n\nCONFIG_B=y\nCONFIG_A="x y"\nCONFIG_C=n\n')
    second = fragment(tmp_path / "b", "# CONFIG_B is not set\n")
    wanted = merge_fragments([first, second])
    assert fragment_text(wanted) == (
        'CONFIG_A="x y"\n# CONFIG_B is not set\n# CONFIG_C is not set\n'
    )
    assert [(line.file, line.line) for line in wanted] == [(first, 4), (second, 1), (first, 5)]


def test_every_dropped_line_is_listed_with_its_place(tmp_path: Path) -> None:
    file = fragment(
        tmp_path / "a", "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=7\n# CONFIG_D is not set\nCONFIG_E=y\n"
    )
    wanted = merge_fragments([file])
    check_config(wanted, "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=7\nCONFIG_E=y\n")
    with pytest.raises(InputError) as caught:
        check_config(wanted, "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=8\nCONFIG_D=y\n")
    assert str(caught.value).splitlines() == [
        "Kconfig dropped 4 of the requested lines:",
        f"  {file}:2: CONFIG_B=y (got n)",
        f"  {file}:3: CONFIG_C=7 (got 8)",
        f"  {file}:4: # CONFIG_D is not set (got y)",
        f"  {file}:5: CONFIG_E=y (got nothing)",
    ]


def test_a_line_that_is_no_setting_is_refused(tmp_path: Path) -> None:
    file = fragment(tmp_path / "a", "CONFIG_A=y\nCONFIG_B\n")
    with pytest.raises(InputError, match=f"{file}:2: not a configuration line"):
        merge_fragments([file])


def test_the_projects_bases_and_fragments_are_well_formed() -> None:
    assert "6.1" in bases()
    for name in bases():
        base = load_base(name)
        for arch in base.arches:
            assert merge_fragments(base.config(arch))


@pytest.mark.parametrize("name", ["6.1", "6.12", "7.3"])
def test_what_takes_long_to_compile_and_serves_no_guest_is_off(name: str) -> None:
    base = load_base(name)
    for arch in base.arches:
        wanted = merge_fragments(base.config(arch))
        on = {option.symbol.removeprefix("CONFIG_") for option in wanted if option.value != "n"}
        assert not on & HEAVY, "the first build of a kernel would take longer"


def test_an_unknown_base_lists_what_there_is() -> None:
    with pytest.raises(InputError, match=r"no base is called 5\.0 \(there are: .*6\.1"):
        load_base("5.0")


def test_only_the_bases_own_versions_are_accepted() -> None:
    base = load_base("6.1")
    assert base.accepts("6.1.192")
    assert not base.accepts("6.10.2")
    assert not base.accepts("6.1.192-rc1")


def test_a_version_is_of_one_base_only() -> None:
    assert set(VERSIONS.values()) == BASES <= set(bases())
    fits = {tree: [name for name in BASES if load_base(name).accepts(tree)] for tree in VERSIONS}
    assert fits == {tree: [name] for tree, name in VERSIONS.items()}
