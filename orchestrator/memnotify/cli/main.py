"""The `memnotify` command: runs the subcommand, and turns failures into one line and a status."""

from __future__ import annotations

import argparse
import errno
import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import memnotify
from memnotify import inherited, limits, places
from memnotify.cli.base_dir import BASE_DIR, add_base_dir, use_base_dirs
from memnotify.cli.parser import Parser
from memnotify.errors import TRACEBACK, InputError, MemnotifyError
from memnotify.inherited import complain, unwritten
from memnotify.text import message

# In the order of the help text.
COMMANDS = {
    "doctor": "check that this machine can run the testbed",
    "kernel": "fetch, build and list kernels",
    "series": "work with patch series",
    "image": "build the program that runs in guests",
    "demo": "run the demo: two kernels, twelve guests, and who woke when",
    "run": "run a campaign",
    "cells": "preview the cells of a campaign: ids, parameters, memory and time",
    "runs": "list the runs below a folder",
    "merge": "merge the parts of a campaign that ran with --shard into one run",
    "show": "show the results of a run, or one cell's timeline",
    "plot": "draw a run: timelines, figures, and published results",
    "check": "check the logs of a run against the promises of their revisions",
    "compare": "compare revisions, or the values of another axis, across runs",
    "baseline": "keep the figures of a run in a repository, and compare runs with them",
    "expect": "compare a run with the expectations of its campaign",
    "published": "compare a run with the published results of its experiment",
    "report": "write a report as HTML, JUnit XML, KTAP or Markdown",
    "explain": "say what a finding, a failure or an invariant means, and what to do",
    "replay": "re-run a finished cell and compare its records",
    "gdb": "debug the guest of a finished cell with gdb, forward and backward",
    "shell": "open a shell in the guest of a finished cell, or run a command there",
    "dump": "write the memory of a finished cell's guest, for drgn and crash",
    "fleet": "make, watch and end a fleet of hosts that run campaigns",
    "store": "list and prune what is kept in the cache folder",
    "completion": "print a script that completes commands and values in a shell",
    "help": "explain a command",
}

_FIRST_STEPS = """\
Boot kernels with the mem_notify patches of 2008, make memory scarce, and see who wakes when:

  memnotify doctor           check that this machine can do it, and say what is missing
  memnotify demo             run two kernels and twelve guests, into runs/demo
  memnotify show runs/demo   show the results again; then check, compare or report them

memnotify help lists all commands, and memnotify help COMMAND explains one.

"""


class _Version(argparse.Action):
    """argparse's own would look up the version at every start."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"memnotify {memnotify.__version__}")
        parser.exit()


def parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line, or of the command that `words` name.

    The latter knows the other commands only by name.
    """
    top = Parser(
        prog="memnotify",
        description="A QEMU full-system testbed for the mem_notify patch series of 2008.",
        epilog="Exit status: 0 success; 1 a check or an expectation failed; 2 invalid input or "
        "usage; 3 infrastructure failure.",
    )
    top.add_argument(
        "--version", action=_Version, nargs=0, help="show program's version number and exit"
    )
    add_base_dir(top, before=True)
    top.words = words
    top.valued = (BASE_DIR,)
    top.first_steps = _FIRST_STEPS
    top.add_commands("memnotify.cli", COMMANDS)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    inherited.prepare()
    # It would look through all installed packages for some, which could change our models.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    folders = os.environ.get(places.PATH)
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return _interrupted()  # a second Ctrl-C while the first was being handled
    finally:
        if folders is not None:
            os.environ[places.PATH] = folders
        else:
            os.environ.pop(places.PATH, None)
        inherited.give_up_unwritten()


def _interrupted() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # we are exiting
    complain("memnotify: interrupted")
    return 130


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    # Parsing imports the command and its libraries: 300,000 objects, none of them garbage. To look
    # for some among them takes a sixth of that time.
    looked = gc.isenabled()
    gc.disable()
    try:
        return parser(words).parse_args(words)
    except SystemExit:
        sys.stdout.flush()  # the help text or the version
        raise
    finally:
        if looked:
            gc.enable()


def _run(argv: Sequence[str] | None) -> int:
    # SIGTERM unwinds like Ctrl-C, so that guests and builds are killed on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        limits.raise_soft()
        args = _parsed(sys.argv[1:] if argv is None else argv)
        if argv is None:  # this process is the command: what it has imported stays until it ends
            gc.freeze()
        use_base_dirs(args)
        status = int(args.handler(args))
        sys.stdout.flush()  # here, where a closed pipe is handled
        return status
    except MemnotifyError as error:
        complain(f"memnotify: {message(str(error))}")
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        return 141  # the reader of our output is gone
    except OSError as error:
        # An error of the disk or the system, raised by a library and not translated anywhere.
        text = f"cannot write the output: {error.strerror}" if unwritten(error) else str(error)
        complain(f"memnotify: {message(text)}")
        of_name = error.errno in (errno.ENAMETOOLONG, errno.ELOOP)  # and the user gave the name
        return InputError.exit_code if of_name else MemnotifyError.exit_code
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        complain(
            f"memnotify: internal error: {type(error).__name__}: {message(str(error))} "
            f"(this is a bug; set {TRACEBACK}=1 to see the traceback)"
        )
        return 3


if __name__ == "__main__":
    sys.exit(main())
