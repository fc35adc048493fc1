"""Certificates of a fleet: whom they let in, for how long, and who can read them."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from memnotify.errors import InputError
from memnotify.run.executors.protocol import Tls
from memnotify.run.fleet.certificates import Pair, make_pairs


@pytest.fixture(scope="module")
def pairs() -> dict[str, Pair]:
    return make_pairs("f1", ["one", "two"], hours=3)


def context(pair: Pair, folder: Path, purpose: ssl.Purpose) -> ssl.SSLContext:
    """Return a context as strict as Python 3.13 makes them."""
    if not folder.exists():
        pair.write(folder)
    tls = Tls.in_folder(folder)
    made = ssl.create_default_context(purpose, cafile=str(tls.ca))
    made.load_cert_chain(tls.cert, tls.key)
    made.verify_mode, made.check_hostname = ssl.CERT_REQUIRED, False
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    return made


def talk(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    """Let two peers shake hands, and return what the client then receives."""
    one, two = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(one, server_side=True) as tls:
                tls.sendall(b"hello")
        except OSError:
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(two) as tls:
            return tls.recv(5)
    finally:
        two.close()
        thread.join()


def test_members_trust_each_other_and_nobody_else(pairs: dict[str, Pair], tmp_path: Path) -> None:
    server = context(pairs["one"], tmp_path / "one", ssl.Purpose.CLIENT_AUTH)
    member = context(pairs["two"], tmp_path / "two", ssl.Purpose.SERVER_AUTH)
    assert talk(server, member) == b"hello"
    other = make_pairs("f1", ["two"], hours=3)["two"]
    stranger = context(other, tmp_path / "stranger", ssl.Purpose.SERVER_AUTH)
    stranger.verify_mode = ssl.CERT_NONE
    with pytest.raises(OSError):  # ssl.SSLError is one
        assert talk(server, stranger)
    server = context(other, tmp_path / "stranger", ssl.Purpose.CLIENT_AUTH)
    with pytest.raises(ssl.SSLCertVerificationError):
        talk(server, member)


def test_certificates_end(pairs: dict[str, Pair]) -> None:
    now = datetime.now(UTC)
    for pair in pairs.values():
        for pem in (pair.ca, pair.cert):
            cert = x509.load_pem_x509_certificate(pem)
            assert cert.not_valid_before_utc < now
            left = cert.not_valid_after_utc - now
            assert timedelta(hours=2.9) < left <= timedelta(hours=3)


def test_the_key_of_the_authority_is_nowhere(pairs: dict[str, Pair]) -> None:
    """No member can make another: none may sign, and the key that may is lost."""
    authority = x509.load_pem_x509_certificate(pairs["one"].ca)
    for pair in pairs.values():
        cert = x509.load_pem_x509_certificate(pair.cert)
        assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert not cert.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        key = load_pem_private_key(pair.key, None).public_key()
        assert key == cert.public_key() and key != authority.public_key()
    assert pairs["one"].ca == pairs["two"].ca and pairs["one"].key != pairs["two"].key


def test_files_are_for_their_owner_only(pairs: dict[str, Pair], tmp_path: Path) -> None:
    pairs["one"].write(tmp_path / "tls")
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    files = sorted((tmp_path / "tls").iterdir())
    assert [file.name for file in files] == ["ca.pem", "cert.pem", "key.pem"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    with pytest.raises(FileExistsError):
        pairs["two"].write(tmp_path / "tls")


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_that_is_not_what_it_should_be_is_named(
    pairs: dict[str, Pair], tmp_path: Path, name: str, text: str
) -> None:
    pairs["one"].write(tmp_path / "tls")
    Tls.in_folder(tmp_path / "tls")
    (tmp_path / "tls" / name).write_text(text)
    with pytest.raises(InputError, match=r"certificate|private key") as caught:
        Tls.in_folder(tmp_path / "tls")
    assert caught.value.file == tmp_path / "tls" / name


def test_the_key_of_another_certificate_and_one_with_a_password_are_named(
    pairs: dict[str, Pair], tmp_path: Path
) -> None:
    folder = tmp_path / "tls"
    pairs["one"].write(folder)
    key = load_pem_private_key(pairs["one"].key, None)
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    for other in (pairs["two"].key, locked):
        (folder / "key.pem").write_bytes(other)
        with pytest.raises(
            InputError, match=r"no private key of cert\.pem, or has a pass"
        ) as caught:
            Tls.in_folder(folder)
        assert caught.value.file == folder / "key.pem"


def test_a_key_is_not_in_what_is_printed(pairs: dict[str, Pair]) -> None:
    assert pairs["one"].key.decode().split("\n")[1] not in repr(pairs["one"])
