"""What the debug image takes of Dropbear's versions."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from memnotify import places
from memnotify.image.tools import DropbearLayout

OWN = places.IMAGES / "debug"
BECOMES_USER = """\
	if (getuid() == 0) {

		if ((setgid(ses.authstate.pw_gid) < 0) ||
			(initgroups(ses.authstate.pw_name,\x20
						ses.authstate.pw_gid) < 0)) {
			dropbear_exit("Error changing user group");
		}
		if (setuid(ses.authstate.pw_uid) < 0) {
"""


def test_older_versions_have_their_sources_in_the_tree_itself(tmp_path: Path) -> None:
    layout = DropbearLayout.of(tmp_path)
    assert layout.groups == "svr-chansession.c"
    files = layout.files()
    assert "svr-main.c" in files and not any("/" in name for name in files)
    assert "kex-x25519.c" not in files


def test_newer_versions_have_theirs_in_src_and_a_file_of_their_own_for_the_key_exchange(
    tmp_path: Path,
) -> None:
    older = DropbearLayout.of(tmp_path).files()
    (tmp_path / "src").mkdir()
    layout = DropbearLayout.of(tmp_path)
    assert layout.groups == "svr-auth.c"
    assert layout.files() == [*(f"src/{name}" for name in older), "src/kex-x25519.c"]


def test_groups_are_not_asked_for_wherever_that_is(tmp_path: Path) -> None:
    # The two versions have it at different lines of different files.
    for name, before in (("svr-chansession.c", 980), ("svr-auth.c", 505)):
        (tmp_path / name).write_text("\n" * before + BECOMES_USER, encoding="utf-8")
        patch = ["patch", "--batch", "--fuzz=0", "-i", str(OWN / "dropbear.groups.patch"), name]
        subprocess.run(patch, cwd=tmp_path, check=True, capture_output=True)
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "initgroups" not in text and "(setgroups(0, NULL) < 0)" in text


def test_key_exchanges_of_newer_versions_that_have_no_file_here_are_off() -> None:
    text = (OWN / "dropbear.options.h").read_text(encoding="utf-8")
    off = set(re.findall(r"^#define DROPBEAR_(\w+) 0$", text, re.MULTILINE))
    assert {"SNTRUP761", "MLKEM768", "ECDH", "DH_GROUP14_SHA256"} <= off
