"""Clients that are programs of the user's own: what a campaign may say, and what is compiled."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from memnotify.campaign.load import Campaign, load_campaign
from memnotify.campaign.plan import cell_inputs, plan_cells
from memnotify.check.story import Watchers
from memnotify.digest import digest_value
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.own_clients import client_failures, client_notes, said_by_clients
from memnotify.image import initramfs
from memnotify.image.build import ensure_image
from memnotify.image.client import compile_client, ensure_client, sources_of
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.run.base_selection import Preparing
from memnotify.run.prepare import build_clients
from memnotify.scenario import ClientKind, Clients, Program
from memnotify.store import Store

CAMPAIGN = """\
name = "own"
[kernel]
base = "6.1"
arch = {arch}
[matrix]
series = "v4"
memory_mib = 64
machine = "pc-swap"
scenario = "mine"
[scenario.mine]
duration_s = 20
[[scenario.mine.step]]
at_s = 0
clients = {{ {clients} }}
"""


def campaign(folder: Path, clients: str, arch: str = '"x86_64"') -> Campaign:
    path = folder / "mine.toml"
    path.write_text(CAMPAIGN.format(clients=clients, arch=arch))
    return load_campaign(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "wait.c"
    path.write_text('#include "more.h"\nint main(void) { return MORE; }\n')
    (tmp_path / "more.h").write_text("#define MORE 0\n")
    return path


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


def test_an_odd_name_of_a_source_is_no_trouble(source: Path, user_store: Store) -> None:
    odd = source.with_name("-w a\n:3:1: error: it\x1b.c")
    source.rename(odd)
    clients = f"program = {json.dumps(odd.name)}, count = 1"
    (program,) = campaign(odd.parent, clients).programs["mine"]
    assert program.name == "w-a-3-1-error-i.c"
    content = ensure_client(program, Arch.X86_64, store=user_store, log=CommandLog())
    assert content[:4] == b"\x7fELF"
    odd.write_text("int main(void) { return gone; }\n")
    (program,) = campaign(odd.parent, clients).programs["mine"]
    with pytest.raises(InputError, match="undeclared identifier 'gone'") as caught:
        ensure_client(program, Arch.X86_64, store=user_store, log=CommandLog())
    assert (caught.value.file, caught.value.line) == (odd, 1)


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


def program(path: Path) -> Program:
    return campaign(path.parent, f'program = "{path.name}", count = 1').programs["mine"][0]


@pytest.mark.parametrize("arch", list(Arch))
def test_it_compiles_for_both_and_runs_outside_of_a_guest(
    arch: Arch, source: Path, user_store: Store
) -> None:
    source.write_text(
        "#include <poll.h>\n#include <sys/epoll.h>\n#include <sys/select.h>\n#include <unistd.h>\n"
        "#include <stdio.h>\n"
        "int main(void) { struct pollfd p = { 0 }; struct timeval t = { 0 };\n"
        "struct timespec z = { 0 }; char c; fd_set in;\n"
        "FD_ZERO(&in); read(0, &c, 1); select(0, &in, 0, 0, &t); ppoll(&p, 0, &z, 0);\n"
        'return poll(&p, 0, 0) + epoll_wait(-1, 0, 1, 0) + 1 + puts("seen") - 5; }\n'
    )
    content = ensure_client(program(source), arch, store=user_store, log=CommandLog())
    assert content[4] == (1 if arch is Arch.I386 else 2)
    built = source.parent / "built"
    built.write_bytes(content)
    built.chmod(0o755)
    done = subprocess.run(
        [built],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.stdout == "seen\n"


def test_a_binary_with_assertions_is_the_same_wherever_it_is_built(
    tmp_path: Path, user_store: Store
) -> None:
    built = []
    for name in ("one", "two"):
        source = tmp_path / name / "wait.c"
        source.parent.mkdir()
        source.write_text(
            "#include <assert.h>\nint main(int argc, char **argv) { assert(argc > 9); return 0; }\n"
        )
        output = tmp_path / f"{name}.bin"
        compile_client(source, output, Arch.X86_64, source, store=user_store, log=CommandLog())
        built.append(output.read_bytes())
    assert built[0] == built[1]
    assert str(tmp_path).encode() not in built[0]
    output.chmod(0o755)
    done = subprocess.run([output], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode < 0
    assert done.stderr == "Assertion failed: argc > 9 (wait.c: main: 2)\n"


def test_an_error_of_the_compiler_names_file_and_line(source: Path, user_store: Store) -> None:
    source.write_text('#include "more.h"\n\nint main(void) { return gone; }\n')
    with pytest.raises(InputError) as caught:
        ensure_client(program(source), Arch.X86_64, store=user_store, log=CommandLog())
    assert str(caught.value).startswith(f"{source}:3: ")
    assert "gone" in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_error_in_a_header_and_one_of_the_linker_name_their_file(
    source: Path, user_store: Store
) -> None:
    (source.parent / "more.h").write_text("#define MORE 0\n#error not today\n")
    with pytest.raises(InputError, match="not today") as caught:
        ensure_client(program(source), Arch.X86_64, store=user_store, log=CommandLog())
    assert str(caught.value).startswith(f"{source.parent / 'more.h'}:2: ")
    source.write_text("int gone(void);\nint main(void) { return gone(); }\n")
    with pytest.raises(InputError, match=r"undefined symbol: gone") as caught:
        ensure_client(program(source), Arch.X86_64, store=user_store, log=CommandLog())
    assert caught.value.file == source


def test_a_source_that_changed_meanwhile_is_refused(source: Path, user_store: Store) -> None:
    before = program(source)
    source.write_text("int main(void) { return 1; }\n")
    with pytest.raises(InputError, match="changed since the campaign was read"):
        ensure_client(before, Arch.X86_64, store=user_store, log=CommandLog())


def test_a_source_may_be_a_link_under_another_name(source: Path, user_store: Store) -> None:
    link = source.parent / "linked/mine.c"
    link.parent.mkdir()
    link.symlink_to(source)
    source.write_text("int main(void) { return gone; }\n")
    with pytest.raises(InputError, match="gone") as caught:  # of the compiler, which has read it
        ensure_client(program(link), Arch.X86_64, store=user_store, log=CommandLog())
    assert caught.value.file == link


def test_without_a_compiler_it_says_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.image.program._compiler_version", lambda: None)
    with pytest.raises(InfrastructureError, match=r"wait\.c must be compiled.*ziglang"):
        ensure_client(
            program(source), Arch.X86_64, store=Store(tmp_path / "store"), log=CommandLog()
        )


def test_the_key_of_an_image_covers_programs_and_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.image.build.ensure_client", lambda *_, **__: b"binary")
    store = Store(tmp_path / "store")

    def key(*programs: Program) -> str:
        return ensure_image(Arch.X86_64, store=store, log=CommandLog(), programs=programs).key

    one = Program(name="a", digest="1")
    keys = [
        key(),
        key(one),
        key(one, one),
        key(Program(name="a", digest="1", args=("x",))),
        key(Program(name="a", digest="1", wakeup_line="x")),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == ensure_image(Arch.X86_64, store=store, log=CommandLog()).key


def test_the_initramfs_has_each_program_with_its_arguments() -> None:
    client = initramfs.ClientFile(name="a", content=b"x", args=("1", "2 3"), wakeup_line="told")
    assert client.files(2) == [
        ("own/program/2/bin/a", 0o755, b"x"),
        ("own/program/2/args", 0o444, b"a\x001\x002 3\x00"),
        ("own/program/2/wakeup", 0o444, b"told"),
    ]


Values = Mapping[str, int | bytes]


def log_of(*rows: tuple[Kind, int, Values]) -> RecordLog:
    """Return a log with these records, each with its client and its values."""
    records = np.zeros(len(rows), layout.RECORD)
    for number, (kind, client, values) in enumerate(rows):
        form = layout.LAYOUTS[kind]
        value = np.zeros(1, form)
        for name, content in values.items():
            value[name] = content
        records[number]["commit"] = number + 1
        records[number]["kind"] = kind
        records[number]["client"] = client
        records[number]["time_ns"] = (number + 1) * 1_000_000_000
        records[number]["value"] = value.view("<u8")
    return RecordLog(records, lost=0, torn=0)


PROGRAMS = (Program(name="one.c", digest=""), Program(name="two", digest=""))
ONE: Values = {"program": 1}
TWO: Values = {"program": 2}


def test_how_programs_ended_is_said_with_their_names() -> None:
    log = log_of(
        (Kind.PROGRAM, 0, ONE),
        (Kind.PROGRAM, 1, TWO),
        (Kind.PROGRAM, 2, ONE),
        (Kind.PROGRAM, 2, {"program": 1, "errno": 8}),
        (Kind.EXIT, 0, {"code": 3, "op": 1}),
        (Kind.EXIT, 1, {"signal": 11, "op": 1}),
        (Kind.EXIT, 2, {"code": 8, "op": 1}),
        (Kind.EXIT, 7, {"code": 5, "op": 1}),
    )
    assert client_failures(log, PROGRAMS) == [
        "client 2 (one.c) could not be started: Exec format error",
        "client 0 (one.c) exited with status 3",
        "client 1 (two) was killed by SIGSEGV",
    ]


def test_a_program_may_be_expected_to_end_with_a_status() -> None:
    programs = (PROGRAMS[0], Program(name="two", digest="", expect_status=3))
    log = log_of(
        *((Kind.PROGRAM, client, TWO) for client in range(4)),
        (Kind.PROGRAM, 4, ONE),
        (Kind.EXIT, 0, {"code": 3, "op": 1}),
        (Kind.EXIT, 1, {"code": 0, "op": 1}),
        (Kind.EXIT, 2, {"signal": 11, "op": 1}),
        (Kind.EXIT, 3, {"signal": 9, "sent_by_agent": 1, "op": 1}),
        (Kind.EXIT, 4, {"code": 3, "op": 1}),
    )
    assert client_failures(log, programs) == [
        "client 1 (two) exited with status 0, not 3",
        "client 2 (two) was killed by SIGSEGV",
        "client 4 (one.c) exited with status 3",
    ]


def test_the_expected_status_is_part_of_a_cell_and_0_is_as_none(source: Path) -> None:
    ids = []
    for more in ("", ", expect_status = 0", ", expect_status = 3"):
        (cell,) = plan_cells(campaign(source.parent, f'program = "wait.c", count = 1{more}'))
        ids.append(digest_value(cell_inputs(cell)))
    assert cell.programs[0].expect_status == 3
    assert ids[0] == ids[1] != ids[2]


def test_a_program_that_was_stopped_has_not_failed() -> None:
    log = log_of((Kind.PROGRAM, 0, ONE), (Kind.EXIT, 0, {"signal": 9, "sent_by_agent": 1, "op": 1}))
    assert client_failures(log, PROGRAMS) == []


def test_what_is_worth_knowing_is_noted() -> None:
    log = log_of(
        (Kind.DEVICE, layout.NO_CLIENT, {"present": 1}),
        *((Kind.PROGRAM, client, ONE) for client in range(4)),
        (Kind.CLIENT, 1, {"client_kind": ClientKind.OWN}),
        (Kind.CLIENT, 2, {"client_kind": ClientKind.OWN}),
        (Kind.POLL, 2, {}),
        (Kind.CLIENT, 3, {"client_kind": ClientKind.LINES}),
        (Kind.LEFT, 2, {"processes": 501}),
        (Kind.LEFT, 3, {"written": 900, "left_out": 400, "unlogged": 7}),
    )
    assert client_notes(log, PROGRAMS) == [
        "client 0 (one.c) was not seen to open the device",
        "client 1 (one.c) never waited for the device",
        "client 2 (one.c) had 501 processes at the end",
        "client 3 (one.c) printed 900 bytes, of which 400 are left out",
        "client 3 (one.c) has used up its share of the log: 7 records left out",
    ]


def said(text: bytes, *, ends: bool = True, left_out: int = 0) -> Values:
    return {"length": len(text), "flags": int(ends), "text": text, "left_out": left_out}


def test_the_lines_of_each_client_are_put_together() -> None:
    log = log_of(
        (Kind.SAID, 4, said(b"the first half, ", ends=False)),
        (Kind.SAID, 1, said(b"Kernel panic \x1b[2J")),
        (Kind.SAID, 4, said(b"and the other")),
        (Kind.SAID, 4, said(b"", left_out=77)),
        (Kind.SAID, 4, said(b"no end", ends=False)),
    )
    assert list(said_by_clients(log)) == [
        "[    2.000000] client 1: Kernel panic \\x1b[2J",
        "[    3.000000] client 4: the first half, and the other",
        "[    4.000000] client 4: [... 77 bytes left out ...]",
        "[    5.000000] client 4: no end",
    ]


def test_only_what_surely_stays_open_counts_as_a_watcher_for_sure() -> None:
    """Client 0 does, 1 opens twice, 2 closes, 3 is a binary, and 4 is of another kind."""
    own: Values = {"client_kind": ClientKind.OWN}
    log = log_of(
        (Kind.CLIENT, 0, own),
        (Kind.CLIENT, 1, own),
        (Kind.CLIENT, 1, own),
        (Kind.CLIENT, 2, own),
        (Kind.CLIENT, 3, {"client_kind": ClientKind.LINES}),
        (Kind.CLIENT, 4, {"client_kind": ClientKind.POLL}),
        (Kind.LEFT, 2, {"closed": 1}),
    )
    watchers, late = Watchers(log), 100 * 10**9
    assert watchers.at_least(late, late) == 2
    assert watchers.at_most(late, late) == 6
