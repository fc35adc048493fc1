"""The bytes of mails, written line by line, and the mails in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from memnotify.mailpatch.mail import Mail, mails_of

PATH = Path("mails")
DIFF = ["--- a/f.c", "+++ b/f.c", "@@ -1 +1 @@", "-old", "+new"]
OTHER = ["--- a/g.c", "+++ b/g.c", "@@ -1 +1 @@", "-a", "+b"]
HEADERS = {
    "From": "Ada <ada@example.org>",
    "Date": "Tue, 15 Jan 2008 10:00:29 +0900",
    "Subject": "[PATCH 1/2] one",
    "Message-Id": "<1@example.org>",
}


def head(**more: str) -> list[str]:
    fields = {**HEADERS, **{name.replace("_", "-"): value for name, value in more.items()}}
    return [f"{name}: {value}" for name, value in fields.items()]


def data_of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def only(data: bytes) -> Mail:
    (mail,) = mails_of(data, PATH)
    return mail


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
