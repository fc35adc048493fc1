"""An empty name, such as from an unset shell variable, is not the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.cli.main import main


@pytest.mark.parametrize(
    ("words", "argument"),
    [
        (["run", "x.toml", "-o", ""], "-o/--output"),
        (["run", "x.toml", "--source", ""], "--source"),
        (["run", "x.toml", "--cc="], "--cc"),
        (["kernel", "build", "6.1", "--source="], "--source"),
        (["show", ""], "RUN"),
        (["merge", "a", "", "-o", "b"], "RUN"),
        (["series", "import", "x.mbox", "-o", ""], "-o"),
    ],
)
def test_it_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    argument: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert f"argument {argument}: the name is empty" in line
    assert not list(tmp_path.iterdir())
