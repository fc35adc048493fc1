"""What the repository has for those who work on it: hooks, citation, form of the files, names."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "orchestrator/memnotify"
FORMED = (
    *("*.md", "*.toml", "*.py", "*.c", "*.h", "*.json", "*.cff", "*.yaml", "*.yml"),
    *("*.js", "*.css", "*.j2", "Makefile"),
)


def test_every_check_of_make_lint_is_a_hook() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    checks = {tuple(shlex.split(one)) for one in re.findall(r"\$\(BIN\)/(.*)", recipe[1])}
    assert len(checks) > 8
    hooks = set()
    for hook in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]:
        words = shlex.split(hook["entry"])
        assert words[0].startswith(".venv/bin/"), hook["id"]
        # The hook gets the names of the files instead of the folder.
        folder = ["."] if hook.get("pass_filenames", True) and words[0].endswith("/ruff") else []
        hooks.add((words[0].removeprefix(".venv/bin/"), *words[1:], *folder))
    assert checks <= hooks


def test_the_citation_names_the_mail_that_is_in_the_repository() -> None:
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
    mails = tomllib.loads((ROOT / "patches/mem_notify/originals.toml").read_text())["mail"]
    (third,) = [mail for mail in mails if mail["revision"] == "v4" and mail["part"] == 3]
    (mail,) = found["references"]
    assert third["message_id"] in mail["notes"]
    assert str(mail["year"]) == third["date"][:4]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found["license"] == project["license"]


def test_files_have_the_form_that_editorconfig_asks_for() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *FORMED], cwd=ROOT, capture_output=True, check=True, text=True
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert len(files) > 500
    wrong = []
    for file in files:
        if not file.is_file() or "original" in file.parts:
            continue
        content = file.read_bytes()
        lines = content.split(b"\n")
        if (content and lines[-1]) or any(line != line.rstrip() for line in lines):
            wrong.append(str(file.relative_to(ROOT)))
    assert not wrong, "a blank or CR at the end of a line, or no newline at the end of the file"


# Words of the domain: a class of this name is one thing, wherever in the package it is met.
_ONE_THING = {
    *("Artifact", "Base", "Batch", "Cell", "Comparison", "Hunk", "Kind", "Lines", "Outcome"),
    *("Piece", "PlanRow", "Promises", "RecordLog", "Scenario", "Series", "Story", "Verdict"),
}


def test_a_word_of_the_domain_names_one_class() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(file.relative_to(PACKAGE)))
    assert len(places) > 300
    assert {name: places[name] for name in _ONE_THING if len(places[name]) > 1} == {}
