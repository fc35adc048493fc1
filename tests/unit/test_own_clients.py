"""Clients that are programs of the user's own: what a campaign may say."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import cell_inputs, plan_cells
from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.image.client import sources_of
from memnotify.run.base_selection import Preparing
from memnotify.run.prepare import build_clients
from memnotify.scenario import ClientKind, Clients

from tests.support.own_clients import CAMPAIGN, campaign, wait_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return wait_source(tmp_path)


def test_a_source_and_its_arguments_are_of_the_cell(source: Path) -> None:
    found = campaign(
        source.parent, 'program = "./wait.c", args = ["a", "b c"], count = 3, spacing_ms = 2'
    )
    (cell,) = plan_cells(found)
    (step,) = cell.scenario.steps
    assert step.action == Clients(kind=ClientKind.OWN, count=3, spacing_ns=2_000_000, program=1)
    (program,) = cell.programs
    assert (program.name, program.args, program.path) == ("wait.c", ("a", "b c"), str(source))
    assert "path" not in cell_inputs(cell)["programs"][0]
    assert cell_inputs(cell)["programs"][0]["digest"] == program.digest


def test_a_cell_without_such_a_program_has_nothing_of_it(tmp_path: Path) -> None:
    (cell,) = plan_cells(campaign(tmp_path, 'kind = "poll", count = 3'))
    assert "programs" not in cell_inputs(cell)


def test_a_header_beside_it_is_part_of_a_source(source: Path) -> None:
    def digest() -> str:
        return campaign(source.parent, 'program = "wait.c", count = 1').programs["mine"][0].digest

    before = digest()
    (source.parent / "more.h").write_text("#define MORE 1\n")
    assert digest() != before
    assert set(sources_of(source)) == {"wait.c", "more.h"}


@pytest.mark.parametrize("include", ['"{}"', "<{}>"])
def test_what_is_named_by_its_whole_path_is_refused(source: Path, include: str) -> None:
    other = source.parent / "other.h"
    other.touch()
    (source.parent / "more.h").write_text(f"# include {include.format(other)}\n")
    with pytest.raises(InputError, match=rf"more\.h includes {other}, which may change unseen"):
        campaign(source.parent, 'program = "wait.c", count = 1')


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('#include "/dev/zero"', "includes /dev/zero, which may change unseen"),
        ('#/* a */include "../../../../../../dev/zero"', "dev/zero, which may change unseen"),
        ("%:include <../../../../../../dev/zero>", "dev/zero, which may change unseen"),
        ('#inc\\\nlude "zero.h"', "wait.c includes 'zero.h', which is not a regular file"),
        ('#embed "pipe.h"', "wait.c includes 'pipe.h', which is not a regular file"),
        ('#include "folder.h"', "wait.c includes 'folder.h', which is a folder"),
        ('#define X "/dev/zero"\n#include X', "includes a file that a macro names"),
        ('__asm__(".incbin \\"/dev/zero\\"");', "has .incbin, whose file may change unseen"),
        ("x" * 17_000_000, "makes the source larger than 16 MiB"),
    ],
)
def test_what_would_be_read_without_end_or_unseen_is_refused_by_name(
    source: Path, line: str, words: str
) -> None:
    (source.parent / "zero.h").symlink_to("/dev/zero")
    os.mkfifo(source.parent / "pipe.h")
    (source.parent / "folder.h").mkdir()
    source.write_text(line + "\n")
    with pytest.raises(InputError) as caught:
        campaign(source.parent, 'program = "wait.c", count = 1')
    assert words in str(caught.value)
    assert "mine.toml:14: " in str(caught.value)


def test_only_what_the_compiler_takes_is_part_of_a_source(source: Path) -> None:
    (source.parent / "sub").mkdir()
    (source.parent / "sub/one.h").write_text('#include "../more.h" // "/dev/zero"\n')
    source.write_text(
        """// #include "/dev/zero"
/* #include "gone.h"
#include "/dev/zero" */
char quote = '"', *slash = "/*";
#include "sub/one.h"
#include <stdio.h> /* "*/
char *text = "\\"// #include";
"""
    )
    assert sorted(sources_of(source)) == ["more.h", "sub/one.h", "wait.c"]


def test_a_binary_that_has_no_room_in_a_guest_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError) as caught:
        campaign(tmp_path, 'program = "big", count = 1')
    assert "big takes 1048576.0 MiB, and a guest of 64 MiB has room for 28 MiB" in str(caught.value)
    assert "mine.toml:14: " in str(caught.value)


def test_an_image_that_has_no_room_in_the_smallest_guest_ends_a_run_before_a_kernel_is_built(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cell,) = plan_cells(campaign(source.parent, 'program = "wait.c", count = 1'))
    image = source.parent / "initramfs.cpio"
    monkeypatch.setattr(
        "memnotify.run.prepare.ensure_image",
        lambda *_, **__: SimpleNamespace(file=lambda name: source.parent / name),
    )
    using = cast(Preparing, SimpleNamespace(store=None, log=None, say=print))
    larger = dataclasses.replace(cell, memory_mib=128)
    with image.open("wb") as file:
        file.truncate(29 << 20)
    build_clients([larger], using)
    with pytest.raises(
        InputError, match=r"the image with wait\.c takes 29\.0 MiB.*64 MiB has room"
    ):
        build_clients([larger, cell], using)


def test_a_program_with_other_arguments_is_another_program(source: Path) -> None:
    path = source.parent / "mine.toml"
    text = CAMPAIGN.format(clients='program = "wait.c", args = ["1"], count = 1', arch='"x86_64"')
    more = '[[scenario.mine.step]]\nat_s = 1\nclients = {{ program = "wait.c"{}, count = 2 }}\n'
    path.write_text(text + more.format("") + more.format(', args = ["1"]'))
    (cell,) = plan_cells(load_campaign(path))
    numbers = [step.action.program for step in cell.scenario.steps]  # type: ignore[union-attr]
    assert numbers == [1, 2, 1]
    assert [program.args for program in cell.programs] == [("1",), ()]


@pytest.mark.parametrize(
    ("clients", "words"),
    [
        ("count = 1", "clients needs exactly one of kind, program"),
        ('kind = "poll", program = "wait.c", count = 1', "exactly one of kind, program"),
        ('kind = "own", count = 1', "'own'"),
        ('program = "wait.c", cache_mib = 1, count = 1', "cache_mib: not for a program"),
        ('program = "wait.c", fasync = true, count = 1', "fasync: not for a program"),
        ('kind = "poll", args = ["x"], count = 1', "args has no effect without program"),
        ('program = "wait.c", wakeup_line = "woken", count = 1', "wakeup_line is for binaries"),
        ('program = "wait.c", expect_status = 256, count = 1', "255"),
        ('kind = "poll", expect_status = 3, count = 1', "expect_status has no effect without"),
        ('program = "gone.c", count = 1', "there is no file"),
        ('program = "more.h", count = 1', "neither a C file nor a program for Linux"),
        ('program = ".", count = 1', "Is a directory"),
        ('program = "wait\\u0000.c", count = 1', "a NUL character is in no name of a file"),
        (f'program = "wait.c", args = {["x" * 900] * 5}, count = 1', "args take 4505 bytes"),
    ],
)
def test_what_cannot_work_is_refused(source: Path, clients: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        campaign(source.parent, clients)
    assert words in str(caught.value)
    assert "mine.toml:14: " in str(caught.value)


def test_what_is_wrong_with_a_program_is_said_of_the_first_step_that_names_it(
    source: Path,
) -> None:
    path = source.parent / "mine.toml"
    step = "[[scenario.mine.step]]\nat_s = 1\nclients = {{ {}, count = 1 }}\n"
    text = CAMPAIGN.format(clients='kind = "poll", count = 1', arch='"x86_64"')
    path.write_text(text + 2 * step.format('program = "gone.c"'))
    with pytest.raises(InputError) as caught:
        load_campaign(path)
    assert caught.value.message == (
        f"{path}:17: scenario.mine.step[1].clients.program: there is no file {source.parent}/gone.c"
    )
    assert caught.value.hint == "paths are relative to the folder of the campaign"


def test_as_many_programs_as_a_guest_has_room_for(source: Path) -> None:
    path = source.parent / "mine.toml"
    step = '[[scenario.mine.step]]\nat_s = 1\nclients = {{ program = "wait.c", args = ["{}"], {}\n'
    first = CAMPAIGN.format(clients='kind = "poll", count = 1', arch='"x86_64"')
    most = first + "".join(step.format(number, "count = 1 }") for number in range(15))
    path.write_text(most)
    assert len(load_campaign(path).programs["mine"]) == 15
    path.write_text(most + step.format(15, "count = 1 }"))
    with pytest.raises(InputError) as caught:
        load_campaign(path)
    assert caught.value.message == (
        f"{path}:62: scenario.mine.step[16].clients.program: 16 programs in one scenario, with "
        "their arguments; at most 15"
    )


def test_a_program_is_found_from_the_campaign_or_in_the_home_of_the_user(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(source.parent))
    assert campaign(source.parent, 'program = "~/wait.c", count = 1').programs["mine"][0].path == (
        str(source)
    )
    monkeypatch.chdir(source.parent)
    campaign(source.parent, 'program = "./wait.c", count = 1')
    (found,) = load_campaign(Path("mine.toml")).programs["mine"]
    assert found.path == str(source)


@pytest.mark.parametrize(
    ("word", "words", "hint"),
    [
        ("more.h/x.c", "there is no file {}/more.h/x.c", "paths are relative"),
        ("folder.c", "{0}/folder.c: Is a directory", "paths are relative"),
        ("folder", "{0}/folder: Is a directory", "paths are relative"),
        ("gone", "there is no file {}/gone", "paths are relative"),
        ("more.h", "more.h: neither a C file nor a program for Linux", "name a file that ends in"),
        ("big.c", "'big.c' makes the source larger than 16 MiB", "let the program compute"),
        ("none\\u0000.c", "a NUL character is in no name of a file", ""),
    ],
)
def test_what_is_wrong_with_the_file_of_a_program(
    source: Path, word: str, words: str, hint: str
) -> None:
    for name in ("folder", "folder.c"):
        (source.parent / name).mkdir()
    with (source.parent / "big.c").open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(InputError) as caught:
        campaign(source.parent, f'program = "{word}", count = 1')
    assert caught.value.message.partition(".clients.program: ")[2] == words.format(source.parent)
    assert (caught.value.hint or "").startswith(hint) and bool(caught.value.hint) == bool(hint)


def linked(folder: Path, *options: str) -> Path:
    """Return a binary that the host's compiler makes."""
    cc = shutil.which("cc")
    if cc is None:
        pytest.skip("needs a C compiler")
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    subprocess.run([cc, *options, "-o", folder / "bin", folder / "main.c"], check=True)
    return folder / "bin"


def test_a_binary_without_libraries_is_taken(tmp_path: Path) -> None:
    linked(tmp_path, "-static")
    found = campaign(tmp_path, 'program = "bin", wakeup_line = "woken", count = 1')
    (cell,) = plan_cells(found)
    assert cell.scenario.steps[0].action.kind is ClientKind.LINES  # type: ignore[union-attr]
    assert cell.programs[0].wakeup_line == "woken"


def test_a_binary_that_a_guest_cannot_run_is_refused(tmp_path: Path) -> None:
    linked(tmp_path)
    with pytest.raises(InputError, match=r"linked dynamically.*link it with -static"):
        campaign(tmp_path, 'program = "bin", count = 1')
    for option in (["-c"], ["-shared", "-nostdlib"]):
        linked(tmp_path, *option)
        with pytest.raises(InputError, match=r"an object file or a library"):
            campaign(tmp_path, 'program = "bin", count = 1')
    linked(tmp_path, "-static")
    with pytest.raises(InputError, match=r"a program for x86_64.*guests of i386"):
        campaign(tmp_path, 'program = "bin", count = 1', '["i386", "x86_64"]')
    data = bytearray((tmp_path / "bin").read_bytes())
    data[18] = 183
    (tmp_path / "bin").write_bytes(data)
    with pytest.raises(InputError, match="another processor"):
        campaign(tmp_path, 'program = "bin", count = 1')


def test_the_expected_status_is_part_of_a_cell_and_0_is_as_none(source: Path) -> None:
    ids = []
    for more in ("", ", expect_status = 0", ", expect_status = 3"):
        (cell,) = plan_cells(campaign(source.parent, f'program = "wait.c", count = 1{more}'))
        ids.append(digest_value(cell_inputs(cell)))
    assert cell.programs[0].expect_status == 3
    assert ids[0] == ids[1] != ids[2]
