"""Import commits of a real history as mails of every form, and compare the results with git's.

The environment variable MEMNOTIFY_HISTORY names a git repository with a kernel's history, such as
a clone of Linus' tree (bare is enough, nothing is checked out). Commits are chosen at random, the
same ones for the same --seed. Each becomes several mails, undamaged in many forms and damaged in
many ways, and each mail is imported on three trees: the commit's parent, where it has to give what
`git apply` gives of the clean patch; the commit itself, which has the patch already; and a commit
far away. docs/howto/testing.md says what counts as wrong. The exit status is 1 if anything does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memnotify.errors import InputError

from tests.support.history import (
    VARIABLE,
    Files,
    History,
    Original,
    Reader,
    UnusableError,
    git_apply,
)
from tests.support.mail_forms import Made, kinds_of, make
from tests.support.verdicts import Case, Importer, Judgement, Tree, Verdict, importer

_CHUNK = 4  # commits that a process takes at a time
_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A commit to turn into mails: `number` decides of which kinds, `far` is another tree."""

    commit: str
    far: str
    number: int
    each: int
    seed: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The judgement of one mail on one tree."""

    commit: str
    far: str
    made: Made
    tree: Tree
    judgement: Judgement


@dataclass
class Tally:
    """All judgements so far."""

    mails: int = 0
    commits: int = 0
    unusable: Counter[str] = field(default_factory=Counter)
    counts: Counter[tuple[str, Tree, Verdict]] = field(default_factory=Counter)
    reasons: Counter[tuple[Tree, Verdict, str]] = field(default_factory=Counter)
    failures: list[Found] = field(default_factory=list)

    def add(self, found: Found) -> None:
        verdict = found.judgement.verdict
        self.counts[found.made.kind, found.tree, verdict] += 1
        if verdict.failed or verdict is Verdict.DOUBTED:
            self.failures.append(found)
        elif found.judgement.detail:
            self.reasons[found.tree, verdict, found.judgement.detail] += 1

    @property
    def failed(self) -> int:
        return sum(n for (_, _, verdict), n in self.counts.items() if verdict.failed)


def cases_of(history: History, task: Task) -> Iterator[tuple[Made, list[Case]]]:
    """Yield the mails of a commit, each with its three cases. Raises UnusableError."""
    original = history.original(task.commit)
    trees = [
        (Tree.PARENT, history.tree(original.parent), original.before, original.after),
        (Tree.COMMIT, history.tree(task.commit), original.after, None),
    ]
    far = history.tree(task.far)
    there = _state(original, far)
    if there is not None:
        trees.append((Tree.FAR, far, there, git_apply(original.diff, there)))
    for made in mails_of(original, task):
        yield (
            made,
            [
                Case(
                    made=made, original=original, tree=tree, read=read, before=before, wanted=wanted
                )
                for tree, read, before, wanted in trees
            ],
        )


def mails_of(original: Original, task: Task) -> Iterator[Made]:
    """Yield the mails that a commit is turned into: the kinds in turn, from commit to commit."""
    kinds = [kind for kind in kinds_of(original) if not task.kinds or kind in task.kinds]
    if not kinds:
        return
    random.Random(task.seed).shuffle(kinds)
    turn = itertools.islice(itertools.cycle(kinds), task.number * task.each % len(kinds), None)
    left = task.each
    for kind in itertools.islice(turn, len(kinds)):
        made = make(original, kind, random.Random(f"{task.seed} {task.commit} {kind}"))
        if made is not None:
            yield made
            left -= 1
        if not left:
            return


def _state(original: Original, read: Reader) -> Files | None:
    """Return the files that a patch touches in another tree; None if one of them is a folder."""
    try:
        return {name: read(name) for name in original.before}
    except InputError:
        return None


def run_task(history: History, task: Task, imports: Importer = importer) -> list[Found] | str:
    """Judge all mails of a commit; return why, if it cannot be used."""
    try:
        return [
            Found(
                commit=task.commit,
                far=task.far,
                made=made,
                tree=case.tree,
                judgement=case.judge(imports),
            )
            for made, cases in cases_of(history, task)
            for case in cases
        ]
    except UnusableError as error:
        return str(error)


_opened: list[History] = []


def _open(repository: Path) -> None:
    _opened.append(History(repository))


def _work(task: Task) -> list[Found] | str:
    return run_task(_opened[0], task)


def tasks_of(
    history: History, commits: int, each: int, seed: int, kinds: Sequence[str] = ()
) -> list[Task]:
    """Return what to do: every commit is far away from another one."""
    chosen = history.choose(commits, seed)
    return [
        Task(
            commit=commit,
            far=chosen[(number + len(chosen) // 2) % len(chosen)],
            number=number,
            each=each,
            seed=seed,
            kinds=tuple(kinds),
        )
        for number, commit in enumerate(chosen)
    ]


def tally_of(
    results: Iterator[list[Found] | str], *, quiet: bool = True, minutes: float | None = None
) -> Tally:
    """Count results as they come, for so many minutes at the most; unless `quiet`, print them."""
    tally = Tally()
    began = time.monotonic()
    for result in results:
        tally.commits += 1
        if isinstance(result, str):
            tally.unusable[result] += 1
            continue
        for found in result:
            tally.mails += found.tree is Tree.PARENT
            tally.add(found)
            if not quiet and found.judgement.verdict.failed:
                print(_failure(found), file=sys.stderr, flush=True)
        spent = time.monotonic() - began
        if minutes is not None and spent > 60 * minutes:
            break
        if not quiet and tally.commits % 100 == 0:
            line = f"{tally.commits} commits, {tally.mails} mails, {tally.failed} failures"
            print(f"{line}, {spent:.0f} s", file=sys.stderr, flush=True)
    return tally


_COLUMNS = (
    Verdict.BYTES,
    Verdict.TOKENS,
    Verdict.DOUBTED,
    Verdict.REFUSED,
    Verdict.UNCHECKED,
    Verdict.FALSE,
    Verdict.WRONG,
)
_SHORT = ("bytes", "text", "doubted", "refused", "unchecked", "false reason", "WRONG")


def report(tally: Tally) -> Iterator[str]:
    """Yield the tables: on the parent by kind of mail, then all verdicts by tree."""
    yield f"{tally.mails} mails of {tally.commits - tally.unusable.total()} commits"
    for why, count in tally.unusable.most_common():
        yield f"  {count} other commits: {why}"
    yield ""
    yield f"{'on the parent':32}" + "".join(f"{name:>13}" for name in ("mails", *_SHORT))
    kinds = dict.fromkeys(kind for kind, _, _ in sorted(tally.counts))
    for kind in kinds:
        row = Counter(
            {
                verdict: count
                for (other, tree, verdict), count in tally.counts.items()
                if other == kind and tree is Tree.PARENT
            }
        )
        row[Verdict.FALSE] += row.pop(Verdict.SOUND, 0)
        cells = [row.total(), *(row[verdict] for verdict in _COLUMNS)]
        yield f"{kind:32}" + "".join(f"{cell or '-':>13}" for cell in cells)
    for tree in Tree:
        yield ""
        yield f"on the {tree} tree"
        for verdict in Verdict:
            count = sum(n for (_, at, v), n in tally.counts.items() if at is tree and v is verdict)
            if count:
                yield f"{count:8} {verdict}"
    yield ""
    for (tree, verdict, detail), count in tally.reasons.most_common(_SHOWN):
        if verdict not in (Verdict.BYTES, Verdict.TOKENS):
            yield f"{count:6} {tree}: {detail} [{verdict}]"


def as_json(tally: Tally) -> dict[str, Any]:
    return {
        "mails": tally.mails,
        "commits": tally.commits - tally.unusable.total(),
        "unusable": dict(tally.unusable),
        "failed": tally.failed,
        "counts": [
            {"kind": kind, "tree": tree, "verdict": verdict, "count": count}
            for (kind, tree, verdict), count in sorted(tally.counts.items())
        ],
        "reasons": [
            {"tree": tree, "verdict": verdict, "reason": detail, "count": count}
            for (tree, verdict, detail), count in tally.reasons.most_common()
        ],
        "failures": [
            {
                "commit": found.commit,
                "far": found.far,
                "kind": found.made.kind,
                "form": found.made.form,
                "damages": found.made.damages,
                "tree": found.tree,
                "verdict": found.judgement.verdict,
                "detail": found.judgement.detail,
            }
            for found in tally.failures
        ],
    }


def _failure(found: Found) -> str:
    name = f"{found.commit[:12]} {found.made.kind} ({found.made.form})"
    return f"{found.judgement.verdict}: {name}, {found.tree}: {found.judgement.detail[:300]}"


def _keep(found: Found, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kind = found.made.kind.replace("/", "-").replace(" ", "-")
    (folder / f"{found.commit[:12]}-{kind}.mail").write_bytes(found.made.data)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.differential.mails",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--commits", type=int, default=500, help="how many to choose (500)")
    parser.add_argument("--each", type=int, default=4, help="mails of each commit (4)")
    parser.add_argument("--seed", type=int, default=1, help="chooses commits and damage (1)")
    parser.add_argument("--jobs", type=int, default=2, choices=(1, 2), help="processes (2)")
    parser.add_argument("--minutes", type=float, help="stop after this time, with what is done")
    parser.add_argument("--only", metavar="COMMIT", help="only the mails of this chosen commit")
    parser.add_argument(
        "--kind", action="append", default=[], help="only mails of this kind; may be repeated"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the mails of failures here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    args = parser.parse_args()
    place = os.environ.get(VARIABLE)
    if not place:
        parser.error(f"{VARIABLE} names no git repository with a kernel's history")
    repository = Path(place)
    history = History(repository)
    tasks = tasks_of(history, args.commits, args.each, args.seed, args.kind)
    if args.only:
        tasks = [task for task in tasks if task.commit.startswith(args.only)]
    history.close()
    with multiprocessing.Pool(args.jobs, _open, (repository,)) as pool:
        tally = tally_of(pool.imap(_work, tasks, _CHUNK), quiet=False, minutes=args.minutes)
    for line in report(tally):
        print(line)
    for found in tally.failures:
        if found.judgement.verdict.failed:
            print(_failure(found))
        if args.keep:
            _keep(found, args.keep)
    if args.json:
        args.json.write_text(json.dumps(as_json(tally), indent=1) + "\n")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
