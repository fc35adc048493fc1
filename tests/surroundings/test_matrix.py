"""Whatever stands around the process: every command does the same, or is refused by name.

Each surrounding is a world of its own (`tests/support/surroundings.py`), in which a user's whole
way is gone once: source, series, import, kernel build, run, show, check, report, doctor. What comes
of each command is compared with a plain world.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support import docker_seccomp
from tests.support.surroundings import Surrounding, World

NASTY = "a 'b\" [c] ü\n*$d%;#"
VARIABLES = {
    "git": {
        "GIT_DIR": "/nonexistent",
        "GIT_WORK_TREE": "/nonexistent",
        "GIT_INDEX_FILE": "/nonexistent",
        "GIT_OBJECT_DIRECTORY": "/nonexistent",
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_DIFF_OPTS": "--unified=0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "diff.noprefix",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_PARAMETERS": "'diff.context'='0'",
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_AUTHOR_DATE": "nonsense",
        "GIT_COMMITTER_DATE": "nonsense",
        "GIT_LITERAL_PATHSPECS": "1",
    },
    "git's tracing": {"GIT_TRACE": "1", "GIT_TRACE2": "1", "GIT_TRACE_SETUP": "2"},
    "patch": {
        "POSIXLY_CORRECT": "1",
        "PATCH_VERSION_CONTROL": "numbered",
        "VERSION_CONTROL": "nonsense",
        "SIMPLE_BACKUP_SUFFIX": ".c",
        "PATCH_GET": "1",
        "QUOTING_STYLE": "shell-always",
    },
    "make": {
        "MAKEFLAGS": "--dry-run --silent",
        "GNUMAKEFLAGS": "--question",
        "MFLAGS": "-n",
        "MAKEFILES": "/nonexistent/Makefile",
        "MAKELEVEL": "7",
        "ARCH": "sparc",
        "CROSS_COMPILE": "sparc-linux-",
        "KBUILD_OUTPUT": "/nonexistent",
        "KCONFIG_CONFIG": "/nonexistent",
        "V": "1",
    },
    "compilers": {
        "CC": "false",
        "CFLAGS": "-DNONSENSE -fno-such-flag",
        "LDFLAGS": "-nonsense",
        "CPATH": "/nonexistent",
        "C_INCLUDE_PATH": "/nonexistent",
        "COMPILER_PATH": "{root}/work",
        "GCC_EXEC_PREFIX": "/nonexistent/",
        "GCC_COMPARE_DEBUG": "1",
        "DEPENDENCIES_OUTPUT": "{root}/dependencies",
        "LD_RUN_PATH": "/nonexistent",
        "SOURCE_DATE_EPOCH": "nonsense",
        "CCACHE_DISABLE": "1",
        "CCACHE_PREFIX": "false",
        "CCACHE_DIR": "/nonexistent",
    },
    "text tools": {
        "GREP_OPTIONS": "--invert-match",
        "GREP_COLORS": "mt=01;31",
        "DIFF_OPTIONS": "--brief",
        "TAR_OPTIONS": "--exclude=*",
        "GZIP": "-v",
        "XZ_OPT": "--nonsense",
        "PAGER": "false",
        "LESS": "-X",
    },
    "a shell": {
        "CDPATH": "/usr:/tmp",
        "ENV": "{root}/mail.eml",
        "BASH_ENV": "{root}/mail.eml",
        "IFS": "/",
        "PS4": "+",
        "SHELLOPTS": "xtrace",
        "BASH_FUNC_make%%": "() { false; }",
    },
    "the loader": {
        "LD_PRELOAD": "/nonexistent/preload.so",
        "LD_DEBUG": "files",
        "LD_BIND_NOW": "1",
        "MALLOC_PERTURB_": "165",
    },
    "python": {
        "PYTHONOPTIMIZE": "2",
        "PYTHONHASHSEED": "7",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "default",
        "PYTHONSAFEPATH": "1",
    },
    "QEMU": {"QEMU_AUDIO_DRV": "none", "QEMU_MODULE_DIR": "/nonexistent", "DISPLAY": ":77"},
    "C": {"LC_ALL": "C"},
    "POSIX by category": {"LC_ALL": "", "LC_CTYPE": "POSIX", "LC_NUMERIC": "C", "LANG": "C"},
    "a locale that is not there": {"LC_ALL": "tlh_KX.UTF-8", "LANGUAGE": "tlh:de"},
    "Kiritimati": {"TZ": "Pacific/Kiritimati"},
    "a time zone of rules": {"TZ": "XXX+11:30YYY,M1.1.0,M12.5.0"},
    "no time zone": {"TZ": ":/nonexistent"},
    "a dumb terminal": {"TERM": "dumb", "COLUMNS": "20", "LINES": "2", "NO_COLOR": "1"},
    "relative folders": {"PATH": "../../bin:/usr/local/bin:/usr/bin:/bin:", "TMPDIR": "../../tmp"},
    "no such TMPDIR": {"TMPDIR": "/nonexistent"},
}
# A locale of another encoding, where the system has the definitions.
LOCALE = """
    mkdir "{{root}}/locales"
    localedef -i {language} -f {charset} "{{root}}/locales/{language}.{charset}" || exit 77
"""
ROOT = () if os.geteuid() == 0 else ("--map-root-user",)
GITCONFIG = """\
[core]
    autocrlf = true
    whitespace = tab-in-indent
    quotePath = false
    attributesFile = ~/attributes
[apply]
    whitespace = error-all
[diff]
    noprefix = true
    external = false
    context = 0
[color]
    ui = always
[init]
    templateDir = /nonexistent
    defaultObjectFormat = sha256
[commit]
    gpgSign = true
"""
SURROUNDINGS = {
    "plain": Surrounding(),
    **{name: Surrounding(env=env) for name, env in VARIABLES.items()},
    "an output in ASCII": Surrounding(env={"PYTHONIOENCODING": "ascii"}, encoding="ascii"),
    "an output in UTF-16": Surrounding(env={"PYTHONIOENCODING": "utf-16-le"}, encoding="utf-16-le"),
    "nothing but ASCII": Surrounding(
        env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, encoding="ascii"
    ),
    "a locale of Latin 1": Surrounding(
        prepare=LOCALE.format(language="en_US", charset="ISO-8859-1"),
        env={"LOCPATH": "{root}/locales", "LC_ALL": "en_US.ISO-8859-1"},
        encoding="latin-1",
    ),
    "a locale of Turkish": Surrounding(
        prepare=LOCALE.format(language="tr_TR", charset="UTF-8"),
        env={"LOCPATH": "{root}/locales", "LC_ALL": "tr_TR.UTF-8"},
    ),
    "a repository of another user": Surrounding(
        prepare="""
            git init -q "{root}"
            git -C "{root}" config core.autocrlf true
            git -C "{root}" config diff.noprefix true
            git -C "{root}" config apply.whitespace error-all
            printf '* text eol=crlf\n*.c binary\n' > "{root}/.gitattributes"
            chown -R nobody "{root}" || true
        """
    ),
    "a worktree of git": Surrounding(
        prepare="""
            git init -q "{root}/repository"
            for folder in "{tree}" "{checkout}" "{work}"; do
                printf 'gitdir: {root}/repository/.git/worktrees/tree\n' > "$folder/.git"
            done
        """
    ),
    **{
        f"{role} that is read-only": Surrounding(
            around=(
                *("unshare", *ROOT, "--mount", "sh", "-c"),
                'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" || exit 77; exec "$@"',
                f"{{{role}}}",
            )
        )
        for role in ("tmp", "home", "tree", "work", "checkout")
    },
    "Docker's seccomp profile": Surrounding(around=(sys.executable, docker_seccomp.__file__)),
    "a low soft limit of open files": Surrounding(around=("prlimit", "--nofile=64:4096")),
    "limits that are just enough": Surrounding(
        around=("prlimit", "--nofile=256", f"--fsize={2 << 30}", f"--as={(2048 + 64) << 20}")
    ),
    "only what is needed": Surrounding(unset=("LC_ALL", "TMPDIR", "HOME")),
    "a user's settings": Surrounding(
        files={
            ".gitconfig": GITCONFIG,
            "attributes": "* -text diff=nonsense\n",
            ".config/git/attributes": "*.c binary\n*.txt eol=crlf\n",
            ".config/git/config": "[diff]\n mnemonicPrefix = true\n",
            ".config/ccache/ccache.conf": "read_only = true\ncompiler = false\n",
            ".clang-format": "BasedOnStyle: Google\n",
            ".gdbinit": "quit 7\n",
        },
        unset=("XDG_CONFIG_HOME",),
    ),
    **{
        f"{role} with a nasty name": Surrounding(names={role: NASTY})
        for role in ("run", "tmp", "home", "tree", "work", "checkout")
    },
    **{
        f"{role} that begins with a dash": Surrounding(names={role: "-x"})
        for role in ("run", "tmp", "store", "tree", "work", "checkout")
    },
    "a store with letters and signs": Surrounding(names={"store": "ü,@+é_1.x"}),
    "a umask of 077": Surrounding(around=("sh", "-c", 'umask 077; exec "$@"', "sh")),
    "a umask of 000": Surrounding(around=("sh", "-c", 'umask 000; exec "$@"', "sh")),
    "SIGCHLD ignored": Surrounding(around=("env", "--ignore-signal=CHLD")),
    "signals blocked": Surrounding(around=("env", "--block-signal")),
    "nohup": Surrounding(around=("nohup",)),
}
COMMANDS = (
    *("fetch", "apply", "diff", "import", "build", "run", "show", "check", "report", "doctor"),
    "files",
)
Worlds = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def worlds(initramfs: Callable[..., Path]) -> Iterator[Worlds]:
    """Return a function that returns the results of the commands in a surrounding, run once."""
    known: dict[str, dict[str, Any]] = {}
    number = itertools.count()
    with TemporaryDirectory(prefix="memnotify-surroundings-") as name:
        Path(name).chmod(0o755)  # QEMU's user enters it

        def found(surrounding: str) -> dict[str, Any]:
            if surrounding not in known:
                root = Path(name) / str(next(number))
                root.mkdir(mode=0o755)
                world = World(root, SURROUNDINGS[surrounding])
                world.build(initramfs().parent)
                known[surrounding] = world.work()
            return known[surrounding]

        yield found


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_it_is_the_same_as_in_a_plain_surrounding(
    surrounding: str, command: str, worlds: Worlds
) -> None:
    plain, found = worlds("plain")[command], worlds(surrounding)[command]
    if command == "files":
        assert found == plain
        return
    seen = (found["status"], found["out"])
    encoding = SURROUNDINGS[surrounding].encoding
    wanted = plain["out"].encode(encoding, "backslashreplace").decode(encoding)
    assert seen == (plain["status"], wanted), found["err"][-2000:]
    assert "Traceback" not in found["err"]


def test_the_plain_surrounding_shows_something(worlds: Worlds) -> None:
    plain = worlds("plain")
    for command in COMMANDS:
        if command != "files":
            # The series of these worlds promises nothing, so nothing is checked.
            expected = 2 if command == "check" else 0
            assert plain[command]["status"] == expected, (command, plain[command])
    assert "were not checked" in plain["check"]["err"]
    assert all(plain[command]["out"] for command in COMMANDS if command != "files")
    kinds = {name.rpartition("/")[2] for name in plain["files"]}
    assert kinds >= {"bzImage", "records.parquet", "report.md", "series", "plan.json"}
    assert len(plain["files"]) >= 17
    assert "ü" in plain["diff"]["out"]  # an output in ASCII has something to escape
