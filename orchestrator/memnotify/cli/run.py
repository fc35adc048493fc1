"""`memnotify run`: run a campaign."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from memnotify.campaign.load import Campaign, load_campaign
from memnotify.campaign.plan import cell_name, plan_cells
from memnotify.cli.cluster import (
    add_cluster,
    cluster_of,
    hosts_of,
    print_verified,
    refuse_cluster,
    tags_of,
)
from memnotify.cli.output import add_json
from memnotify.cli.parser import Parser
from memnotify.cli.paths import campaign, named, path
from memnotify.cli.progress import add_progress, check_progress, progress
from memnotify.errors import InputError
from memnotify.model import Accel, Clock
from memnotify.process import CommandLog
from memnotify.report.board import Board
from memnotify.report.expect import print_expectations
from memnotify.report.plain import plain_console
from memnotify.report.table import print_run
from memnotify.results.expectations import expectations, failed
from memnotify.results.folder import RunFolder, to_json
from memnotify.run.base_selection import Preparing, choose_base
from memnotify.run.campaign import refuse_too_large, run_campaign
from memnotify.run.ledger import Ledger
from memnotify.run.prepare import (
    build_all,
    build_clients,
    build_timed,
    fetch_source,
    identify_all,
    refuse_without_tools,
)
from memnotify.run.services import RunOptions, Services
from memnotify.run.shards import Shard, read_durations
from memnotify.run.stages import GUESTS, read_stages, stage_lines, timed_in, untimed
from memnotify.store import Store
from memnotify.text import counted

if TYPE_CHECKING:
    from memnotify.guest.held import Holder
    from memnotify.results.summary import Job
    from memnotify.run.fleet.hosts import Hosts

PAUSE_ON = "--pause-on"


def register(parser: Parser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Build the kernels of a campaign, run the cells that have no results yet, "
        "and print the table. For each combination of kernel, image, machine and "
        "memory, one guest is booted and saved as a template, from which the cells "
        "start. Findings are results, not failures: the exit status is 0 even if "
        "there are some, 1 if an [[expect]] of the campaign was not met, and 3 if "
        "the testbed itself failed."
    )
    parser.add_argument(
        "campaign",
        type=campaign,
        metavar="CAMPAIGN.toml",
        help="the campaign: a file of yours, or campaigns/NAME.toml, which comes with memnotify",
    )
    parser.elsewhere = {"--base": "the base is in the campaign: base = of its [kernel]"}
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all other arguments, and the handler, which wants `campaign`."""
    parser.add_argument(
        "-j", "--jobs", type=_count, metavar="N", help="run at most N guests in parallel"
    )
    parser.add_argument("-o", "--output", type=path, metavar="DIR", help="default: runs/<name>")
    parser.add_argument(
        "--accel",
        choices=[accel.value for accel in Accel],
        default="auto",
        help="how QEMU runs guests; default: %(default)s",
    )
    parser.add_argument(
        "--clock",
        choices=[clock.value for clock in Clock],
        default="virtual",
        help="the clock that guests follow; only the virtual one gives the same records again; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--source", type=named, metavar="PATH", help="kernel tree or tarball to build from"
    )
    parser.add_argument(
        "--cc", type=named, metavar="CC", help="compiler for the kernels; default: gcc"
    )
    parser.add_argument(
        "--shard", type=_shard, metavar="K/N", help="run only part K of N; see memnotify merge"
    )
    parser.add_argument(
        "--durations",
        type=path,
        metavar="FILE",
        help="output of show --json for an earlier run, used to make all parts take equally long",
    )
    add_cluster(parser)
    parser.add_argument(
        "--again", action="store_true", help="also run cells that already have results"
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="boot every guest instead of starting it from a template; slower, but the records "
        "are the same",
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="only print what the run needs and what of it is available: kernels, cells, host "
        "memory; nothing is fetched, built or run",
    )
    parser.add_argument(
        "--prepare",
        choices=("source", "kernels"),
        help="only fetch the source of the first base that is available, or also build its "
        "kernels and images; no guest is run, and QEMU is not needed",
    )
    parser.add_argument(
        PAUSE_ON,
        choices=("finding",),
        help="stop a guest that shows a finding, say how to look at it, and let it go on when "
        "Enter is pressed; needs a terminal, and guests on this host; "
        "docs/howto/look-into-a-guest.md",
    )
    parser.add_argument(
        "--stages",
        type=path,
        metavar="FILE",
        help="add to FILE when each stage began and ended, and print how long all in FILE took",
    )
    add_json(parser, ", the same as show --json")
    add_progress(parser)
    parser.set_defaults(handler=execute)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of guests (1 or more)")
    return int(text)


def _shard(text: str) -> Shard:
    try:
        return Shard.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def execute(args: argparse.Namespace, *, command: str = "run") -> int:
    """Run `args.campaign`, or only plan it."""
    check_progress(args)
    campaign = load_campaign(args.campaign)
    for name in ("prepare", "stages"):
        if args.plan and getattr(args, name) is not None:
            raise InputError(
                f"--{name} cannot be combined with --plan, which fetches, builds and runs nothing"
            )
    if args.json_lines and args.plan:
        other = "--plan, which has no progress: use --json"
        raise InputError(f"--json-lines cannot be combined with {other}")
    hosts = hosts_of(args)
    for name in ("plan", "prepare"):
        if hosts is not None and getattr(args, name):
            raise InputError(f"--{name} cannot be combined with --fleet: it runs nothing")
    _check_pause(args, elsewhere=hosts is not None)
    durations = read_durations(args.durations) if args.durations else {}
    store = Store()
    if args.plan:
        return _plan(args, campaign, durations, store)
    log = CommandLog(store.folder("logs") / "commands.jsonl")
    timed = untimed if args.stages is None else timed_in(args.stages)
    with progress(args, command, stderr=args.json) as board:
        using = Preparing(store=store, log=log, say=board.note, board=board, timed=timed)
        if args.prepare is not None:
            _prepare(args, campaign, using)
            return 0
        folder, planned = _run(args, campaign, hosts, durations, using, board)
        verdicts = folder.verdicts()
        if args.json_lines:
            board.result([verdict.to_json() for verdict in verdicts])
    expected = expectations(folder, verdicts)
    console = plain_console(stderr=args.json or args.json_lines)
    if args.json:
        sys.stdout.write(to_json([verdict.to_json() for verdict in verdicts]))
    elif not args.json_lines:
        print_run(console, verdicts, planned=planned)
        if expected:
            print_expectations(console, expected)
        console.print(f"results in {folder.path}", soft_wrap=True, markup=False)
    same = args.verify is None or print_verified(console, folder)
    if args.stages is not None:
        for line in stage_lines(read_stages(args.stages)):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    broken = any(verdict.outcome.infrastructure is not None for verdict in verdicts)
    return 3 if broken else int(failed(expected) or not same)


def _check_pause(args: argparse.Namespace, *, elsewhere: bool) -> None:
    """Raise InputError if guests cannot be held, or nobody can be asked."""
    if args.pause_on is None:
        return
    for name in ("plan", "prepare"):
        if getattr(args, name):
            raise InputError(f"{PAUSE_ON} cannot be combined with --{name}, which runs no guest")
    if args.json_lines:
        raise InputError(f"{PAUSE_ON} cannot be combined with --json-lines, which asks nobody")
    if elsewhere or args.scheduler is not None or args.jobqueue is not None:
        raise InputError(f"{PAUSE_ON} is for guests on this host, not for those of a cluster")
    from memnotify.cli.pausing import refuse_without_terminal

    refuse_without_terminal(PAUSE_ON)


def _holder_of(board: Board, store: Store) -> Callable[[Job], Holder]:
    # Hardly any run holds guests: this imports how to write their memory, and much else.
    from memnotify.cli.pausing import Pauses

    return Pauses(board, store).holder_of


def _run(
    args: argparse.Namespace,
    campaign: Campaign,
    hosts: Hosts | None,
    durations: Mapping[str, float],
    using: Preparing,
    board: Board,
) -> tuple[RunFolder, int]:
    """Run a campaign, or a part of it; return its folder, and how many cells that has."""
    here = args.scheduler is None and args.jobqueue is None and hosts is None
    tags = tags_of(args, campaign)
    tls = refuse_cluster(args, hosts, tags=tags)
    if not here:
        refuse_without_tools(campaign, using)
    # Before choosing a base, which may fetch and build for an hour.
    planned = plan_cells(campaign, accel=Accel(args.accel), clock=Clock(args.clock))
    if args.shard is None and here:
        refuse_too_large(campaign, planned, Ledger(using.store.folder("ledger")))
    build_clients(planned, using)
    base = choose_base(
        campaign,
        using,
        source=args.source,
        cc=args.cc,
    )
    cells = plan_cells(
        campaign,
        base=base,
        accel=Accel(args.accel),
        clock=Clock(args.clock),
        source=args.source,
        cc=args.cc,
    )
    if not here:
        identify_all(cells, using)
    whole = None
    if args.shard is not None:
        whole = [cell_name(cell) for cell in cells]
        cells = args.shard.of(cells, durations)
        if not cells:
            board.note(
                f"part {args.shard} has no cells: the campaign has only "
                f"{counted(len(whole), 'cell')}"
            )
    if args.stages is not None:
        requests = [cell.request for cell in cells]
        build_timed(requests, using)
    with (
        using.timed(GUESTS),
        cluster_of(args, hosts, tls=tls, tags=tags, store=using.store, say=board.note) as cluster,
    ):
        folder = run_campaign(
            campaign,
            cells,
            Services(store=using.store, board=board),
            path=args.output or Path("runs") / campaign.table.name,
            options=RunOptions(
                limit=args.jobs,
                again=args.again,
                cold=args.cold,
                verify=args.verify or 0,
                holder_of=_holder_of(board, using.store) if args.pause_on else None,
                tags=tags,
            ),
            whole=whole,
            cluster=cluster,
        )
    return folder, len(cells)


def _prepare(args: argparse.Namespace, campaign: Campaign, using: Preparing) -> None:
    if args.prepare == "source":
        fetch_source(
            campaign,
            using,
            source=args.source,
        )
        return
    build_all(
        campaign,
        using,
        source=args.source,
        cc=args.cc,
    )


def _plan(
    args: argparse.Namespace, campaign: Campaign, durations: Mapping[str, float], store: Store
) -> int:
    from memnotify.report.plan import print_plan
    from memnotify.run.preview import preview

    plans = [
        plan_cells(
            campaign,
            base=base,
            accel=Accel(args.accel),
            clock=Clock(args.clock),
            source=args.source,
            cc=args.cc,
        )
        for base in campaign.table.kernel.base
    ]
    if args.shard is not None:
        plans = [args.shard.of(cells, durations) for cells in plans]
    log = CommandLog(store.folder("logs") / "commands.jsonl")
    found = asdict(preview(plans, source=args.source, store=store, log=log))
    if args.json:
        sys.stdout.write(to_json(found))
    else:
        print_plan(plain_console(), found)
    return 0
