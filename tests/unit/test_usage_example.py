"""The usage example of the patch: what is taken from the mail, and that it is unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError
from memnotify.image.example import mail, usage_example


def test_it_is_the_mail_s_own_words() -> None:
    first, *lines = usage_example(mail()).splitlines()
    number, name = first.removeprefix("#line ").split(" ")
    there = mail().read_text().splitlines()[int(number) - 1 :]
    assert name == f'"{mail().name}"'
    differing = [
        (ours, theirs) for ours, theirs in zip(lines, there, strict=False) if ours != theirs
    ]
    assert differing == [("/* ... */", "...")]
    assert there[len(lines)] == "</usage example>"
    assert "err = poll(&pollfds, 1, -1); // wake up at low memory" in lines


@pytest.mark.parametrize("text", ["", "<usage examle>\n", "</usage example>\n<usage examle>\n"])
def test_a_mail_without_an_example_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mail.txt"
    path.write_text(text)
    with pytest.raises(InfrastructureError, match=r"mail\.txt has no usage example"):
        usage_example(path)
