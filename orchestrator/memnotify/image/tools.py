"""The programs of the debug image: BusyBox and Dropbear, and the one that starts them in a guest.

They are static, with musl, so that they run on Linux 2.6.24 and on every later one. They reach a
guest only when somebody wants a shell in it (`memnotify.guest.visited`).
"""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify import places
from memnotify.archive import ArchiveLimits, unpack
from memnotify.digest import digest_file
from memnotify.environment import COMPILER, PYTHON
from memnotify.errors import InfrastructureError
from memnotify.host import cores
from memnotify.image.program import TARGETS, need_compiler
from memnotify.image.upstream import ensure_upstream
from memnotify.model import Arch
from memnotify.process import CommandLog, run
from memnotify.store import Artifact, Store

TOOLS = "tools"
"""The kind of these artifacts in the store."""

PROGRAMS = ("start", "busybox", "dropbear")
"""The files of one; the first starts the others in a guest."""

_RECIPE = 1  # increase it when a change of this module changes the result
_TIMEOUT = 3600.0
_MOST_QUESTIONS = 10_000
_LIMITS = ArchiveLimits(kind="tarball", entries=10_000, size=200 << 20)
# A binary of 2008 had no such checks either, and they take space.
_FLAGS = ("-static", "-s", "-Os", "-fno-sanitize=all", "-w")
_LINK = """\
#!/bin/sh
exec $2 -Wl,--gc-sections -o "$1" -Wl,--start-group $5 $6 -Wl,--end-group
"""
# What the applet bbconfig would print; it is off, and this would need bzip2.
_NO_CONFIGS = """\
#!/bin/sh
for header; do : >"$header"; done
"""
_LD = {Arch.I386: "elf_i386", Arch.X86_64: "elf_x86_64"}

# The parts of Dropbear that a server needs which has one connection and one kind of key.
_DROPBEAR = """
atomicio bignum buffer circbuffer common-algo common-channel common-chansession common-kex
common-runopts common-session compat crypto_desc curve25519 dbhelpers dbmalloc dbrandom dbutil
dh_groups dss ed25519 fake-rfc2553 gendss gened25519 genrsa gensignkey list listener loginrec
ltc_prng netio packet process-packet queue rsa signkey sshpty svr-auth svr-authpasswd
svr-chansession svr-kex svr-main svr-runopts svr-service svr-session svr-tcpfwd tcp-accept termcodes
"""
_TOMCRYPT = """
ciphers/aes/aes hashes/helper/hash_memory hashes/sha1 hashes/sha2/sha256 hashes/sha2/sha512
mac/hmac/hmac_done mac/hmac/hmac_init mac/hmac/hmac_process misc/burn_stack
misc/crypt/crypt_argchk misc/crypt/crypt_cipher_descriptor misc/crypt/crypt_cipher_is_valid
misc/crypt/crypt_find_cipher misc/crypt/crypt_find_hash misc/crypt/crypt_hash_descriptor
misc/crypt/crypt_hash_is_valid misc/crypt/crypt_prng_descriptor misc/crypt/crypt_register_cipher
misc/crypt/crypt_register_hash misc/crypt/crypt_register_prng misc/zeromem modes/cbc/cbc_decrypt
modes/cbc/cbc_encrypt modes/cbc/cbc_start modes/ctr/ctr_decrypt modes/ctr/ctr_done
modes/ctr/ctr_encrypt modes/ctr/ctr_setiv modes/ctr/ctr_start
"""


@dataclass(frozen=True)
class DropbearLayout:
    """Where a version of Dropbear has what this module needs of it."""

    sources: Path
    """The folder of its C files, in its tree."""
    groups: str
    """The file in which it becomes the user who logged in."""
    later: tuple[str, ...] = ()
    """The parts that a server needs of this version only."""

    @classmethod
    def of(cls, tree: Path) -> DropbearLayout:
        """Return that of an unpacked version."""
        if (tree / "src").is_dir():  # 2024.84 and later
            return cls(Path("src"), "svr-auth.c", ("kex-x25519",))
        return cls(Path(), "svr-chansession.c")

    def files(self) -> list[str]:
        """Return the C files of the server, from the tree's folder on."""
        return [str(self.sources / f"{name}.c") for name in (*_DROPBEAR.split(), *self.later)]


def ensure_tools(
    arch: Arch, *, store: Store, log: CommandLog, progress: Callable[[str], None]
) -> Artifact:
    """Return the programs for an architecture: `start`, `busybox` and `dropbear`.

    Raises InfrastructureError if the compiler or a source is missing, and CommandFailed.
    """
    compiler = need_compiler("the debug image has to be compiled")
    own = places.IMAGES / "debug"
    sources = {
        name: ensure_upstream(name, store=store, log=log) for name in ("busybox", "dropbear")
    }
    inputs = {
        "arch": str(arch),
        "sources": {name: digest for name, (_, digest) in sources.items()},
        "own": {path.name: digest_file(path) for path in sorted(own.iterdir())},
        "compiler": compiler,
        "flags": [*TARGETS[arch], *_FLAGS],
        "recipe": _RECIPE,
    }

    def build(folder: Path) -> Mapping[str, Any]:
        started = time.monotonic()
        work = folder.parent / "work"
        build = _Build(arch, own, work, folder, store, log)
        progress(f"compiling the debug image for {arch}: its first program")
        build.start()
        progress("compiling Dropbear")
        build.dropbear(sources["dropbear"][0])
        progress("compiling BusyBox")
        build.busybox(sources["busybox"][0])
        return {"seconds": round(time.monotonic() - started, 3)}

    return store.publish(
        TOOLS,
        inputs,
        build,
        waiting=lambda: progress("waiting for another build of the debug image"),
    )


class _Build:
    """Compiles the programs into a folder."""

    def __init__(
        self, arch: Arch, own: Path, work: Path, folder: Path, store: Store, log: CommandLog
    ) -> None:
        self._arch = arch
        self._own = own
        self._work = work
        self._folder = folder
        self._log = log
        cache = str(store.folder("zig-cache"))
        self._environment = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        self._zig = (sys.executable, "-m", "ziglang")

    def _run(self, *words: str | Path, cwd: Path, answers: bytes | None = None) -> None:
        run(
            words,
            cwd=cwd,
            input=answers,
            env=self._environment,
            allow=[PYTHON, COMPILER],
            timeout=_TIMEOUT,
            log=self._log,
        )

    def _compile(self, *words: str | Path, cwd: Path) -> None:
        self._run(*self._zig, "cc", *TARGETS[self._arch], *_FLAGS, *words, cwd=cwd)

    def _unpacked(self, tarball: Path) -> Path:
        # busybox_1.35.0.orig.tar.bz2 has busybox-1.35.0
        name = tarball.name.partition(".orig.")[0].replace("_", "-")
        tree = self._work / name
        tree.mkdir(parents=True)
        unpack(tarball, name, tree, _LIMITS)
        return tree

    def start(self) -> None:
        self._work.mkdir()
        self._compile("-o", self._folder / "start", self._own / "start.c", cwd=self._work)

    def dropbear(self, tarball: Path) -> None:
        tree = self._unpacked(tarball)
        layout = DropbearLayout.of(tree)
        sources = tree / layout.sources
        patch = ("patch", "--batch", "-i")
        self._run(*patch, self._own / "dropbear.patch", "-p1", cwd=sources)
        self._run(*patch, self._own / "dropbear.groups.patch", layout.groups, cwd=sources)
        for name, file in (("config", "config.h"), ("options", "localoptions.h")):
            text = (self._own / f"dropbear.{name}.h").read_text(encoding="utf-8")
            (sources / file).write_text(text, encoding="utf-8")
        defaults = (sources / "default_options.h").read_text(encoding="utf-8")
        guarded = re.sub(r"^(#define (\w+) .*)$", r"#ifndef \2\n\1\n#endif", defaults, flags=re.M)
        (sources / "default_options_guard.h").write_text(guarded, encoding="utf-8")
        # Each of these files is small: as one they compile in a tenth of the time.
        numbers = sorted(path.name for path in (tree / "libtommath").glob("bn_*.c"))
        included = [f'#include "{name}"\n' for name in numbers if name != "bn_prime_tab.c"]
        (tree / "libtommath" / "all.c").write_text("".join(included), encoding="utf-8")
        self._compile(
            *("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"),
            *("-DDROPBEAR_SERVER", "-DLOCALOPTIONS_H_EXISTS", "-fno-strict-overflow"),
            *(f"-I{layout.sources}", "-Ilibtomcrypt/src/headers", "-Ilibtommath"),
            *("-o", self._folder / "dropbear"),
            *layout.files(),
            *(f"libtomcrypt/src/{name}.c" for name in _TOMCRYPT.split()),
            "libtommath/all.c",
            cwd=tree,
        )

    def busybox(self, tarball: Path) -> None:
        tree = self._unpacked(tarball)
        zig = shlex.join(self._zig)
        variables = [
            f"CC={zig} cc {shlex.join((*TARGETS[self._arch], *_FLAGS))}",
            f"AR={zig} ar",
            f"LD=ld -m {_LD[self._arch]}",
            "HOSTCC=gcc",
            "SKIP_STRIP=y",
        ]
        # Its own script passes options to the linker that zig does not know.
        (tree / "scripts/trylink").write_text(_LINK, encoding="utf-8")
        (tree / "scripts/mkconfigs").write_text(_NO_CONFIGS, encoding="utf-8")
        self._run("make", *variables, "allnoconfig", cwd=tree)
        wanted = (self._own / "busybox.config").read_text(encoding="utf-8")
        names = "|".join(re.findall(r"^(CONFIG_\w+)=", wanted, flags=re.MULTILINE))
        config = (tree / ".config").read_text(encoding="utf-8")
        rest = re.sub(rf"^(# )?({names})\b.*\n", "", config, flags=re.MULTILINE)
        (tree / ".config").write_text(rest + wanted, encoding="utf-8")
        # An empty answer takes the default.
        self._run("make", *variables, "oldconfig", cwd=tree, answers=b"\n" * _MOST_QUESTIONS)
        self._refuse_other_config(wanted, (tree / ".config").read_text(encoding="utf-8"))
        self._run("make", *variables, f"-j{cores()}", "busybox", cwd=tree)
        (self._folder / "busybox").write_bytes((tree / "busybox").read_bytes())

    @staticmethod
    def _refuse_other_config(wanted: str, config: str) -> None:
        lost = {line for line in wanted.splitlines() if "=" in line} - set(config.splitlines())
        if lost:
            raise InfrastructureError(TOOLS, f"BusyBox has no {', '.join(sorted(lost))}")
