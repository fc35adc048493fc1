"""Message-Ids in the forms in which people paste them."""

from __future__ import annotations

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.names import message_id

ID = "20080115.2_x+y@mail.example.org"


@pytest.mark.parametrize(
    "form",
    [
        *("{}", "<{}>", "id:{}", "mid:{}", "Message-ID: <{}>", "In-Reply-To: <{}>", "news:{}"),
        *("&lt;{}&gt;", '"{}"', " <{}>,", "m:{}", "message-id={}"),
        *("https://lore.kernel.org/all/{}/", "https://lore.kernel.org/linux-mm/{}/T/#u"),
        *("https://lore.kernel.org/linux-mm/{}/t.mbox.gz", "http://lkml.kernel.org/r/{}"),
        *("lore.kernel.org/all/{}/raw", "https://msgid.link/{}", "<https://lore.kernel.org/r/{}>"),
        *("https://lore.kernel.org/all/?q={}", "https://marc.info/?i=%3C{}%3E"),
        *("https://marc.info/?i={}", "https://www.mail-archive.com/search?l=mid&q={}"),
        "https://patchwork.kernel.org/project/linux-mm/patch/{}/",
        "https://patchwork.example.org/project/lamps/patch/{}/mbox/",
        "https://inbox.example.org/lamps/{}/#t",
    ],
)
def test_a_message_id_is_found(form: str) -> None:
    assert message_id(form.format(ID)) == ID
    if "//" in form:
        assert message_id(form.format(ID.replace("@", "%40"))) == ID


@pytest.mark.parametrize(
    "address",
    [
        *("https://marc.info/?l=linux-mm&m=120036", "https://lkml.org/lkml/2008/1/15/66"),
        *("https://www.spinics.net/lists/linux-mm/msg01.html", "lkml.org/lkml/2008/1/15/66"),
        *("https://patchwork.kernel.org/patch/120036/", "http://[::1", "https://lore.kernel.org/"),
        "https://www.mail-archive.com/linux-kernel@vger.kernel.org/",
        "https://www.mail-archive.com/linux-kernel@vger.kernel.org/msg7.html",
    ],
)
def test_an_address_without_one_is_refused(address: str) -> None:
    with pytest.raises(InputError, match=r"no Message-Id in this address .*save the page"):
        message_id(address)


def test_a_local_part_may_have_a_slash() -> None:
    assert message_id("<a/b@example.org>") == "a/b@example.org"
    assert message_id("https://lore.kernel.org/all/a%2Fb@example.org/") == "a/b@example.org"


@pytest.mark.parametrize("word", ["mail.txt", "mails/ada@example.org", "a@b@c", "<-x@y>", "", "@"])
def test_a_file_is_no_message_id(word: str) -> None:
    assert message_id(word) is None
