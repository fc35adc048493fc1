"""Clean patches, damaged in all the ways of archives, and the results of importing them."""

from __future__ import annotations

import functools
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel.base import load_base
from memnotify.kernel.pristine import pristine_files
from memnotify.kernel.source import ensure_source
from memnotify.mailpatch import reindent
from memnotify.mailpatch.clang_format import indentations
from memnotify.mailpatch.mail import read_mails
from memnotify.mailpatch.repairs import RepairKind
from memnotify.mailpatch.restore_series import Imported, import_mails
from memnotify.mailpatch.tokens import is_c, tokens
from memnotify.model import Arch
from memnotify.series.apply import FileState, apply_series, read_tree
from memnotify.series.quilt import Series, load_series
from memnotify.store import Store

from tests.support.archive_forms import as_hypermail, as_lkml, as_mail, as_marc, as_spinics, as_text
from tests.support.archives import KINDS, Clean, Damage, clean_patch, damaged, lost_line
from tests.support.bases import modern

MAIL = Path(__file__).with_name("fakemail")
# Code that itself contains what archives write: entities, odd blanks; and a file with CRLF.
SIGNS = Path(__file__).with_name("fakesigns")
HEADERS = {
    "From": "Ada <ada@example.org>",
    "Date": "Tue, 15 Jan 2008 10:00:29 +0900",
    "Subject": "[RFC][PATCH 3/5] make lamps tell",
    "Message-Id": "<20080115100029.1178.ADA@example.org>",
}
CASES, CHUNKS = 2000, 8
LOST = CASES // 10  # further cases, in which a line is lost
REVISIONS = ("v3", "v4", "v5", "v6")
DOUBTS = (RepairKind.NUMBERS, RepairKind.DISPUTED, RepairKind.OTHER)
UNKNOWABLE = "may have had more blanks"
STRING = re.compile(r'"(?:\\.|[^"\\])*"')
ADDRESS = re.compile(r"<[^<>\n]*[@!][^<>\n]*>")
BARE = re.compile(r"\S+@\S+|\S+\s*\(\)\s*\S+(?:\s*!\s*\S+)+")
"""An address without brackets, such as a Message-Id in a text: masked, it stays masked as well."""

Read = Callable[[str], FileState | None]
Form = Callable[[Clean, list[str]], bytes]
FORMS: tuple[Form, ...] = (
    as_text,
    as_mail,
    functools.partial(as_mail, encoding="quoted-printable"),
    functools.partial(as_mail, encoding="base64", crlf=True),
    as_hypermail,
    as_marc,
    as_spinics,
    as_lkml,
)


@dataclass(frozen=True)
class Subject:
    """A patch, the files that it is for, and the files that it should produce."""

    clean: Clean
    read: Read
    wanted: Mapping[str, bytes]
    fresh: frozenset[str]  # files that the base does not have

    @property
    def loses_a_string(self) -> bool:
        """Return whether blanks in an added string cannot be known once they are collapsed.

        The mail would be the same with one blank or with several.
        """
        added = (line for line in self.clean.lines if line.startswith("+"))
        return any(re.search(r"\s\s", text) for line in added for text in STRING.findall(line))


def made_up(mail: Path = MAIL) -> Subject:
    old, new = read_tree(mail / "old"), read_tree(mail / "new")
    names = [str(path.relative_to(mail / "new")) for path in (mail / "new").rglob("*")]
    files = {
        name: state for name in names if (mail / "new" / name).is_file() and (state := new(name))
    }
    wanted = {name: state.data for name, state in files.items() if old(name) != state}
    fresh = frozenset(name for name in wanted if old(name) is None)
    clean = clean_patch(mail / "old", mail / "new", HEADERS)
    return Subject(clean, functools.cache(old), wanted, fresh)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask clang-format only once about the same text."""
    asked: dict[object, list[list[int | None]]] = {}

    def once(texts: Sequence[Sequence[str]], **options: object) -> list[list[int | None]]:
        words = tuple(map(tuple, texts))
        if words not in asked:
            asked[words] = indentations(texts)
        return asked[words]

    monkeypatch.setattr(reindent, "indentations", once)


def imported(
    subject: Subject,
    kinds: set[str],
    seed: int,
    file: Path,
    form: Form = as_text,
    first: Damage | None = None,
) -> Imported:
    """Damage a patch, and import it; `first` is damage that is done before all other."""
    rng = random.Random(seed)
    lines = subject.clean.lines if first is None else first(subject.clean.lines, rng)
    spoilt = damaged(Clean(subject.clean.headers, lines), kinds, rng)
    file.write_bytes(form(subject.clean, spoilt))
    (patch,) = import_mails(read_mails(file), subject.read).patches
    assert isinstance(patch, Imported)
    return patch


def made_by(patch: Imported) -> dict[str, bytes]:
    """Return the files that a patch produces."""
    return {change.after or "": change.new.data() for change in patch.changes}


def restore(
    subject: Subject, kinds: set[str], seed: int, file: Path, form: Form = as_text
) -> dict[str, bytes]:
    """Damage a patch, import it, and return the files that it produces.

    Whatever the damage, author, date, title and message have to be the original's.
    """
    patch = imported(subject, kinds, seed, file, form)
    assert said_of(patch.data) == said_by(subject.clean)
    return made_by(patch)


def said_by(clean: Clean) -> dict[str, str]:
    """Return what a patch says of itself, without white space and addresses."""
    at = next((n for n, line in enumerate(clean.lines) if line == "---"), 0)
    return _said(clean.headers, clean.lines[:at])


def said_of(data: bytes) -> dict[str, str]:
    """Return what the file of a patch says about it; see `said_by`."""
    head, _, body = data.decode("utf-8", "surrogateescape").partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.split("\n") if ": " in line)
    return _said(headers, body.partition("---\n")[0].split("\n"))


def _said(headers: Mapping[str, str], message: Sequence[str]) -> dict[str, str]:
    texts = {name: headers.get(name, "") for name in ("From", "Date", "Subject")}
    texts["message"] = "\n".join(message)
    plain = {name: BARE.sub("<>", ADDRESS.sub("<>", text)) for name, text in texts.items()}
    return {name: "".join(text.split()) for name, text in plain.items()}


def differing(subject: Subject, got: Mapping[str, bytes]) -> list[str]:
    """Return the files that differ: in bytes, or in tokens if the base has no such file.

    Addresses do not count: masked ones stay masked.
    """
    wrong = [name for name in got if name not in subject.wanted]
    for name, data in subject.wanted.items():
        ours, theirs = (ADDRESS.sub("<>", text.decode()) for text in (got.get(name, b""), data))
        if name in subject.fresh:
            c = is_c(name)
            if tokens(ours.split("\n"), c=c) != tokens(theirs.split("\n"), c=c):
                wrong.append(name)
        elif ours != theirs:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("mail", [MAIL, SIGNS], ids=["mail", "signs"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_each_damage_alone_is_undone(tmp_path: Path, kind: str, mail: Path) -> None:
    subject = made_up(mail)
    for seed in range(4):
        got = restore(subject, {kind}, seed, tmp_path / "mail.txt")
        assert differing(subject, got) == [], seed


@settings(max_examples=60)
@given(
    kinds=st.sets(st.sampled_from(sorted(KINDS))),
    seed=st.integers(0, 2**32),
    mail=st.sampled_from([MAIL, SIGNS]),
)
def test_any_damages_together_are_undone_or_refused(
    tmp_path: Path, kinds: set[str], seed: int, mail: Path
) -> None:
    subject = made_up(mail)
    try:
        got = restore(subject, kinds, seed, tmp_path / "mail.txt")
    except InputError as refused:
        assert refused.hint
    else:
        assert differing(subject, got) == []


def of_the_project(revision: str, base: str, read: Read) -> Iterator[Subject]:
    """Yield the patches of a revision for a base, each with the files that earlier ones produce."""
    files: dict[str, FileState | None] = {}
    for patch in load_series(revision, base).patches:
        before = dict(files)

        def reader(name: str, before: dict[str, FileState | None] = before) -> FileState | None:
            return before[name] if name in before else read(name)

        alone = Series(revision=revision, base=base, patches=(patch,))
        made = apply_series(alone, reader).files
        files |= made
        wanted = {name: state.data for name, state in made.items() if state is not None}
        fresh = frozenset(name for name in made if read(name) is None)
        clean = Clean.of(patch.path.read_text())
        headers = {"Message-Id": HEADERS["Message-Id"], **clean.headers}
        yield Subject(Clean(headers, clean.lines), functools.cache(reader), wanted, fresh)


@pytest.fixture(scope="module")
def subjects(user_store: Store) -> list[Subject]:
    """Return the made-up patches, and the project's own."""
    base = load_base(modern())
    try:
        source = ensure_source(base, None, store=user_store, progress=lambda line: None)
    except InfrastructureError as error:
        if error.kind == "unreachable" and os.environ.get("MEMNOTIFY_OFFLINE"):
            pytest.skip(f"no source of {base.name} can be had: {error.message}")
        raise
    read = pristine_files(source, Arch.X86_64, store=user_store, progress=lambda line: None)
    cached = functools.cache(read)
    return [
        made_up(),
        made_up(SIGNS),
        made_up(SIGNS),
        *(s for name in REVISIONS for s in of_the_project(name, base.name, cached)),
    ]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_damages(tmp_path: Path, subjects: list[Subject], chunk: int) -> None:
    """At least 99 % of all cases are restored, the rest is refused with a reason, none is wrong.

    If a string of an added line had several blanks that were collapsed, no program can know that.
    Those cases must be refused for that reason, and are counted separately, so that both figures
    can be seen.
    """
    rng = random.Random(chunk)
    cases = CASES // CHUNKS
    refused: Counter[str] = Counter()
    lost = 0
    wrong = []
    for case in range(cases):
        subject, form = rng.choice(subjects), rng.choice(FORMS)
        kinds = {kind for kind in KINDS if rng.random() < 0.3}
        try:
            got = restore(subject, kinds, case, tmp_path / "mail", form)
        except InputError as error:
            assert error.hint
            message = error.message.partition(": ")[2]
            if UNKNOWABLE in message and "collapsed" in kinds and subject.loses_a_string:
                lost += 1
            else:
                refused[message] += 1
        else:
            left = differing(subject, got)
            wrong += [(case, subject.clean.headers["Subject"], sorted(kinds), left)] if left else []
    restored = cases - lost - refused.total() - len(wrong)
    print(f"{restored} of {cases} restored, {restored} of {cases - lost} that can be known")
    print(dict(refused))
    assert wrong == []
    assert refused.total() <= 0.01 * (cases - lost), refused


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_lost_line_is_never_taken_for_sure(
    tmp_path: Path, subjects: list[Subject], chunk: int
) -> None:
    """Without one line, a mail is refused, or the result is unchanged, or is called likely."""
    rng = random.Random(CHUNKS + chunk)
    found: Counter[str] = Counter()
    wrong = []
    for case in range(LOST // CHUNKS):
        subject, form = rng.choice(subjects), rng.choice(FORMS)
        kinds = {kind for kind in KINDS if rng.random() < 0.3} - {"collapsed"}
        try:
            patch = imported(subject, kinds, case, tmp_path / "mail", form, lost_line)
        except InputError as error:
            assert error.hint
            found["refused"] += 1
            continue
        likely = {
            repair.file for repair in patch.repairs if repair.kind in DOUBTS and not repair.sure
        }
        assert said_of(patch.data) == said_by(subject.clean), case
        left = differing(subject, made_by(patch))
        found["likely" if left else "as it was"] += 1
        if not likely.issuperset(left):
            wrong.append((case, subject.clean.headers["Subject"], sorted(kinds), left))
    print(dict(found))
    assert wrong == []
    assert found["refused"]
