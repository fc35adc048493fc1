"""The wheel in an empty environment, outside the checkout: it has all, and says what it lacks."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from memnotify.kernel.base import bases
from memnotify.results.folder import RunFolder
from memnotify.store import Artifact

from tests.support.bases import modern
from tests.support.campaigns import Bench, Guests
from tests.support.tarballs import trust_all
from tests.support.wheel import DATA, ROOT, Installed, built, installed, outside

CAMPAIGN = """\
name = "one"
kernel = { base = "BASE" }
matrix = { series = "v4", memory_mib = 64, clients = 2, machine = "pc-swap", scenario = "short" }

[scenario.short]
duration_s = 3

[[scenario.short.step]]
at_s = 0
clients = { kind = "poll", count = "matrix" }
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (file,) = built(tmp_path_factory.mktemp("dist"), "wheel")
    return file


@pytest.fixture(scope="module")
def package(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return installed(wheel, tmp_path_factory.mktemp("installed"))


@pytest.fixture
def bare(package: Installed) -> Iterator[Callable[[str], None]]:
    """Return a function that takes a folder of the data away, until the end of the test."""
    data, hidden = package.package / "data", package.package / "hidden"
    hidden.mkdir()

    def without(folder: str) -> None:
        (data / folder).rename(hidden / folder)

    yield without
    for folder in hidden.iterdir():
        folder.rename(data / folder.name)
    hidden.rmdir()


def data_files(root: Path) -> dict[str, str]:
    """Return the digest of every file of the data, by path."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in DATA
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_it_has_the_data_of_the_checkout(package: Installed) -> None:
    there = data_files(package.package / "data")
    assert there == data_files(ROOT)
    assert {"images/guest/record.h", "campaigns/demo.toml", "kernels/6.1.toml"} < there.keys()
    assert (package.package / "py.typed").is_file(), "programs that import it are not type-checked"


def test_it_lists_and_plans_what_the_checkout_does(package: Installed) -> None:
    for words in (["kernel", "list"], ["series", "list"], ["demo", "--plan"]):
        ours = subprocess.run(
            [sys.executable, "-m", "memnotify", *words, "--json"],
            cwd=package.work,
            env={**os.environ, "PYTHONPATH": str(ROOT / "orchestrator")},
            capture_output=True,
            text=True,
            check=False,
        )
        theirs = package.run(*words, "--json")
        assert theirs.returncode == ours.returncode == 0, theirs.stderr
        found, wanted = json.loads(theirs.stdout), json.loads(ours.stdout)
        if "--plan" in words:
            del found["available_mib"], wanted["available_mib"]  # it changes all the time
        assert found == wanted
    assert all(name in package.run("kernel", "list").stdout for name in bases())


def test_its_version_is_that_of_the_file(package: Installed, wheel: Path) -> None:
    assert package.run("--version").stdout == f"memnotify {wheel.name.split('-')[1]}\n"


def test_it_checks_a_run(package: Installed, tmp_path: Path) -> None:
    run = Bench(tmp_path).run(Guests()).path
    done = package.run("check", run)
    assert done.returncode in (0, 1), done.stderr
    found = re.search(r"4 cells, (\d+) promises: ", done.stdout)
    assert found is not None and int(found[1]) > 4


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("kernels", "kernel list"),
        ("kernels", "demo --plan"),
        ("patches", "series list"),
        ("patches", "kernel list"),
        ("patches", "series diff v4/6.1 v5/6.1"),
        ("images", "demo --plan"),
        ("campaigns", "demo --plan"),
    ],
)
def test_without_its_data_no_command_succeeds(
    package: Installed, bare: Callable[[str], None], folder: str, words: str
) -> None:
    bare(folder)
    done = package.run(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"/data/{folder}" in line and "missing (set MEMNOTIFY_HOME" in line


def test_a_check_without_promises_does_not_succeed(
    package: Installed, bare: Callable[[str], None], tmp_path: Path
) -> None:
    run = Bench(tmp_path).run(Guests()).path
    bare("patches")
    done = package.run("check", run)
    assert done.returncode == 2 and "mem_notify: the data of the project" in done.stderr


def test_a_checkout_that_is_named_comes_first(package: Installed, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "patches", tmp_path / "patches")
    (tmp_path / "kernels").mkdir()
    environment = {**outside(), "MEMNOTIFY_HOME": str(tmp_path)}
    done = subprocess.run(
        [package.python, "-m", "memnotify", "kernel", "list"],
        env=environment,
        cwd=package.work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and f"set MEMNOTIFY_HOME, which is {tmp_path}" in done.stderr


def test_it_has_the_schemas_that_its_campaigns_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        demo = archive.read("memnotify/data/campaigns/demo.toml").decode()
    assert demo.startswith("#:schema ../schemas/campaign.schema.json\n")
    assert "memnotify/data/schemas/campaign.schema.json" in names


def test_the_same_bytes_wherever_and_from_whatever_it_is_built(wheel: Path, tmp_path: Path) -> None:
    """From a copy without git, with another umask, and from the sdist."""
    wanted = hashlib.sha256(wheel.read_bytes()).hexdigest()
    version = wheel.name.split("-")[1]
    (sdist,) = built(tmp_path / "sdist", "sdist")
    with tarfile.open(sdist) as tar:
        assert {member.uid for member in tar} == {0}
        before = os.umask(0o077)
        try:
            trust_all(tar)
            for member in tar:
                tar.extract(member, tmp_path)
        finally:
            os.umask(before)
    tree = tmp_path / f"memnotify-{version}"
    (again,) = built(tmp_path / "again", "wheel", source=tree)
    assert again.name == wheel.name
    assert hashlib.sha256(again.read_bytes()).hexdigest() == wanted
    (second,) = built(tmp_path / "second", "sdist")
    assert second.read_bytes() == sdist.read_bytes()


def test_a_copy_without_git_and_without_a_version_can_be_built(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    ours = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in ours.stdout.splitlines():
        if not name.startswith(("tests/", "docs/")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    (file,) = built(tmp_path / "dist", "wheel", source=tree)
    assert file.name.startswith("memnotify-0.1.dev0-")


@pytest.mark.guest
def test_it_runs_a_cell(
    package: Installed, kernel_artifact: Callable[..., Artifact], tmp_path: Path
) -> None:
    kernel_artifact("v4")  # in the store of whoever runs the tests, where the wheel looks
    (tmp_path / "one.toml").write_text(CAMPAIGN.replace("BASE", modern()))
    done = package.run("run", tmp_path / "one.toml", "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "1 cell: 1 ok" in done.stdout
    manifest = RunFolder(tmp_path / "run").manifest(RunFolder(tmp_path / "run").plan()[0].id)
    assert manifest.versions["memnotify"] == package.run("--version").stdout.split()[1]
    doctor = {row["name"]: row for row in json.loads(package.run("doctor", "--json").stdout)}
    assert doctor["data"]["state"] == "ok"
    assert doctor["data"]["detail"].startswith(f"{package.package / 'data'}: ")
