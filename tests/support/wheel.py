"""The wheel of this checkout, installed in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy

ROOT = Path(__file__).parents[2]
DATA = ("campaigns", "images", "kernels", "patches")


def built(folder: Path, *targets: str, source: Path = ROOT) -> list[Path]:
    """Build targets ("wheel", "sdist") of a source tree into a folder, and return the files."""
    words = [word for target in targets for word in ("-t", target)]
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *words, "-d", str(folder)],
        cwd=source,
        env=outside(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stderr} (the packages of requirements-dev.lock do it)"
    return sorted(folder.iterdir())


def outside() -> dict[str, str]:
    """Return an environment in which nothing leads to this checkout."""
    hidden = ("PYTHONPATH", "MEMNOTIFY_HOME")
    return {name: value for name, value in os.environ.items() if name not in hidden}


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a folder outside the checkout to work in."""

    python: Path
    package: Path
    work: Path

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run memnotify as its user does."""
        return subprocess.run(
            [self.python.with_name("memnotify"), *words],
            cwd=self.work,
            env=outside(),
            capture_output=True,
            text=True,
            check=False,
        )


def installed(wheel: Path, folder: Path) -> Installed:
    """Install a wheel into a new environment, which borrows the libraries of this one."""
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)],
        env=outside(),
        check=True,
        capture_output=True,
    )
    (site,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    # Files *.pth of that folder, such as that of this checkout, have no effect.
    (site / "borrowed.pth").write_text(f"{Path(numpy.__file__).parents[1]}\n")
    work = folder / "work"
    work.mkdir()
    return Installed(python, site / "memnotify", work)
