"""Clients that are programs of the user's own: what is compiled, and put into an image."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError, InputError
from memnotify.image import initramfs
from memnotify.image.build import ensure_image
from memnotify.image.client import compile_client, ensure_client
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.scenario import Program
from memnotify.store import Store

from tests.support.own_clients import campaign, program, wait_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return wait_source(tmp_path)


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
