"""The forms in which archives and mailers keep the mail of a patch: raw, in an mbox, as a page."""

from __future__ import annotations

import base64
import html
import quopri
import re
from email.message import EmailMessage

from tests.support.archives import Clean, Lines


def as_text(clean: Clean, lines: Lines) -> bytes:
    """Return the text of a page, saved by hand."""
    head = [clean.headers["Subject"], "", f"From: {clean.headers['From']}"]
    return "\n".join([*head, f"Date: {clean.headers['Date']}", "", "", *lines]).encode()


def as_mail(clean: Clean, lines: Lines, *, encoding: str = "8bit", crlf: bool = False) -> bytes:
    """Return a raw mail."""
    head = [f"{name}: {value}" for name, value in clean.headers.items()]
    head += [
        "To: linux-kernel@vger.kernel.org",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {encoding}",
    ]
    body = ("\n".join(lines) + "\n").encode()
    if encoding == "quoted-printable":
        body = quopri.encodestring(body)
    elif encoding == "base64":
        body = base64.encodebytes(body)
    data = "\n".join(head).encode() + b"\n\n" + body
    return data.replace(b"\n", b"\r\n") if crlf else data


def as_mbox(mails: list[bytes]) -> bytes:
    """Return several raw mails in one file."""
    return b"".join(
        b"From lamp@example.org Mon Jan 14 20:02:23 2008\n" + mail + b"\n" for mail in mails
    )


def as_attachment(clean: Clean, lines: Lines) -> bytes:
    """Return a mail with a word of text, and the patch attached."""
    message = EmailMessage()
    for name, value in clean.headers.items():
        message[name] = value
    message.set_content("See the attached patch.\n")
    data = ("\n".join(lines) + "\n").encode()
    message.add_attachment(data, maintype="text", subtype="x-patch", filename="lamp.patch")
    return message.as_bytes()


def as_flowed(clean: Clean, lines: Lines) -> bytes:
    """Return a mail in format=flowed: stuffed, with long lines broken after a blank."""
    done = []
    for line in lines:
        text = " " + line if line.startswith((" ", ">", "From ")) else line
        while len(text) > 72 and (cut := text.rfind(" ", 20, 72)) > 0:
            done.append(text[: cut + 1])
            text = text[cut + 1 :]
            text = " " + text if text.startswith((" ", ">", "From ")) else text
        done.append(text.rstrip() if text != "-- " else text)
    head = [f"{name}: {value}" for name, value in clean.headers.items()]
    head += ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8; format=flowed"]
    return "\n".join([*head, "", *done, ""]).encode()


def as_hypermail(clean: Clean, lines: Lines) -> bytes:
    """Return a page that hypermail made."""
    shown = {name: html.escape(value) for name, value in clean.headers.items()}
    body = "\n".join(html.escape(line, quote=False) for line in lines)
    return f"""<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN">
<html><head><title>Lamp: {shown["Subject"]}</title></head>
<body>
<h1>{shown["Subject"]}</h1>
<!-- received="Mon Jan 14 20:02:23 2008" -->
<!-- id="{clean.headers["Message-Id"].strip("<>")}" -->
<!-- subject="{shown["Subject"]}" -->
<strong>From:</strong> {shown["From"]}<br>
<strong>Date:</strong> {shown["Date"]}
<p>
<ul><li><b>Next message:</b> <a href="1.html">Bob: "Re: lamps"</a></ul>
<!-- body="start" -->
<pre>
{body}
</pre>
<!-- body="end" -->
<p><ul><li><b>Previous message:</b> <a href="2.html">Eve: "Dark"</a></ul>
</body></html>
""".encode()


def as_marc(clean: Clean, lines: Lines) -> bytes:
    """Return a page of MARC: everything in one <pre>, with links in it."""
    shown = {name: html.escape(value) for name, value in clean.headers.items()}
    body = "\n".join(html.escape(line) for line in lines)
    body = re.sub(r"(http://\S+)", r'<a href="\1" rel="nofollow">\1</a>', body)
    return f"""<html><head><title>'{shown["Subject"]}' - MARC</title></head>
<body bgcolor="#ffffff">
<pre>
<b>[<a href="?l=lamps">prev in list</a>] [<a href="?l=lamps">next in list</a>]</b>
<font size="+1">
List:       <a href="?l=lamps&r=1">lamps</a>
Subject:    <a href="?t=1">{shown["Subject"]}</a>
From:       <a href="?a=1">{shown["From"]}</a>
Date:       <a href="?d=1">{shown["Date"]}</a>
Message-ID: <a href="?i=1">{clean.headers["Message-Id"].strip("<>")}</a></font>
[Download RAW message or body]

{body}

<b>[<a href="?l=lamps">prev in list</a>] [<a href="?l=lamps">next in list</a>]</b>
</pre>
</body></html>
""".encode()


def as_spinics(clean: Clean, lines: Lines) -> bytes:
    """Return a page that MHonArc made, as at Spinics."""
    shown = {name: html.escape(value) for name, value in clean.headers.items()}
    body = "\n".join(html.escape(line) for line in lines)
    return f"""<!-- MHonArc v2.6.19 -->
<!--X-Subject: {shown["Subject"]} -->
<!--X-Date: {shown["Date"]} -->
<!--X-Message-Id: {clean.headers["Message-Id"].strip("<>").replace("-", "&#45;")} -->
<!--X-Head-End-->
<!DOCTYPE html>
<html><head><title>{shown["Subject"]} &mdash; Lamps</title><script>var a = "<pre>";</script></head>
<body><h2>{shown["Subject"]}</h2>
<ul><li><em>Subject</em>: {shown["Subject"]}</li><li><em>From</em>: {shown["From"]}</li>
<li><em>Date</em>: {shown["Date"]}</li></ul>
<!--X-Head-of-Message-End-->
<!--X-Body-of-Message-->
<pre>{body}

--
To unsubscribe from this list: send the line "unsubscribe lamps"
</pre>
<!--X-Body-of-Message-End-->
<p>[<a href="index.html">Index of Archives</a>]</p>
</body></html>
""".encode()


def as_lkml(clean: Clean, lines: Lines) -> bytes:
    """Return a page of lkml.org: a table of headers, and <br /> instead of line ends."""
    shown = {name: html.escape(value) for name, value in clean.headers.items()}
    body = "<br />".join(html.escape(line) for line in lines)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html><html><head><title>LKML: {shown["Subject"]}</title></head><body>
<table><tr><td class="lp">Date</td><td class="rp">{shown["Date"]}</td></tr>
<tr><td class="lp">From</td><td class="rp">{shown["From"]}</td></tr>
<tr><td class="lp">Subject</td><td class="rp">{shown["Subject"]}</td></tr></table>
<pre itemprop="articleBody">{body}</pre><div id="foot">Last update: 2008</div></body></html>
""".encode()
