from __future__ import annotations

import base64
import ipaddress
import os
import ssl
import stat
import threading

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from watchd import certificates, private_files
from watchd.credentials import prepare
from watchd.private_files import CredentialsError, write_file
from watchd.seams import SystemClock

DAY_MS = 24 * 3600 * 1000
START_MS = 1_800_000_000_000

AS_PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class SetClock:
    def __init__(self, now_ms=START_MS):
        self.now = now_ms

    def now_ms(self):
        return self.now


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def server_certificate(made):
    return x509.load_pem_x509_certificate(made.server_file.read_bytes())


def names_of(certificate):
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName)) | {
        str(address) for address in names.get_values_for_type(x509.IPAddress)
    }


def test_the_first_start_makes_everything_private(tmp_path):
    old = os.umask(0)
    try:
        made = prepare(tmp_path / "deep" / "data", ["10.1.2.3", "api.example.com"], clock=SetClock())
        made.write_kubeconfig("https://127.0.0.1:1234")
    finally:
        os.umask(old)
    data = tmp_path / "deep" / "data"
    assert mode(data) == 0o700
    assert {str(path.relative_to(data)): mode(path) for path in data.rglob("*") if path.is_file()} == {
        "pki/ca.pem": 0o600,
        "pki/ca.crt": 0o644,
        "pki/server.pem": 0o600,
        "pki/sa.key": 0o600,
        "pki/checked": 0o600,
        "admin.token": 0o600,
        "kubeconfig": 0o600,
    }
    assert {"localhost", "127.0.0.1", "::1", "kubernetes.default.svc.cluster.local", "10.1.2.3", "api.example.com"} <= names_of(
        server_certificate(made)
    )
    assert len(made.admin_token) >= 40
    assert made.admin_token not in repr(made)


def test_the_mode_does_not_depend_on_the_umask(tmp_path):
    old = os.umask(0o777)
    try:
        write_file(tmp_path / "file", b"x", 0o600)
    finally:
        os.umask(old)
    assert mode(tmp_path / "file") == 0o600


def test_the_kubeconfig_is_complete(tmp_path):
    made = prepare(tmp_path, [], clock=SetClock())
    made.write_kubeconfig("https://[::1]:6443")
    document = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    context = document["contexts"][0]
    assert document["current-context"] == context["name"]
    assert document["clusters"][0]["name"] == context["context"]["cluster"]
    assert document["users"][0] == {"name": context["context"]["user"], "user": {"token": made.admin_token}}
    cluster = document["clusters"][0]["cluster"]
    assert cluster["server"] == "https://[::1]:6443"
    ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())


def test_a_second_start_changes_nothing(tmp_path):
    first = prepare(tmp_path, ["10.0.0.1"], clock=SetClock())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    # Fewer names are no reason: the certificate covers them.
    second = prepare(tmp_path, [], clock=SetClock(START_MS + DAY_MS))
    assert second == first
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def settled(monkeypatch):
    """Note each time that certificates are looked at."""
    calls = []
    real = certificates.settle

    def settle(*args):
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(certificates, "settle", settle)
    return calls


def test_what_was_found_good_is_not_looked_at_again(tmp_path, monkeypatch):
    calls = settled(monkeypatch)
    for day in range(3):
        prepare(tmp_path, [], clock=SetClock(START_MS + day * DAY_MS))
    assert len(calls) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"digest":"","names":[],"begin_ms":0,"end_ms":9999999999999}'])
def test_a_note_that_says_something_else_is_written_anew(tmp_path, monkeypatch, content):
    made = prepare(tmp_path, [], clock=SetClock())
    note = (tmp_path / "pki/checked").read_bytes()
    (tmp_path / "pki/checked").write_bytes(content)
    calls = settled(monkeypatch)
    assert prepare(tmp_path, [], clock=SetClock()) == made
    assert len(calls) == 1
    assert (tmp_path / "pki/checked").read_bytes() == note


@pytest.mark.parametrize("name", ["ca.pem", "ca.crt", "server.pem", "sa.key"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_what_changed_is_looked_at_again(tmp_path, monkeypatch, name, how):
    prepare(tmp_path, [], clock=SetClock())
    path = tmp_path / "pki" / name
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"\n")
    calls = settled(monkeypatch)
    prepare(tmp_path, [], clock=SetClock())
    prepare(tmp_path, [], clock=SetClock())
    assert len(calls) == 1


def test_a_clock_that_went_back_before_the_certificate_has_it_made_anew(tmp_path):
    first = server_certificate(prepare(tmp_path, [], clock=SetClock()))
    second = server_certificate(prepare(tmp_path, [], clock=SetClock(START_MS - DAY_MS)))
    assert first.serial_number != second.serial_number


@pytest.mark.parametrize(("days", "renewed"), [(300, False), (336, True), (400, True)])
def test_a_server_certificate_close_to_its_end_is_renewed(tmp_path, days, renewed):
    first = prepare(tmp_path, [], clock=SetClock())
    serial = server_certificate(first).serial_number
    second = prepare(tmp_path, [], clock=SetClock(START_MS + days * DAY_MS))
    assert (server_certificate(second).serial_number != serial) is renewed
    assert second.ca_certificate == first.ca_certificate
    assert second.admin_token == first.admin_token


def test_a_new_address_renews_the_server_certificate(tmp_path):
    prepare(tmp_path, [], clock=SetClock())
    made = prepare(tmp_path, ["10.9.8.7"], clock=SetClock())
    assert "10.9.8.7" in names_of(server_certificate(made))


def test_another_ca_renews_the_server_certificate(tmp_path):
    prepare(tmp_path / "a", [], clock=SetClock())
    other = prepare(tmp_path / "b", [], clock=SetClock())
    (tmp_path / "a" / "pki" / "ca.pem").write_bytes((tmp_path / "b" / "pki" / "ca.pem").read_bytes())
    made = prepare(tmp_path / "a", [], clock=SetClock())
    assert made.ca_certificate == other.ca_certificate
    server_certificate(made).verify_directly_issued_by(x509.load_pem_x509_certificate(other.ca_certificate.encode()))
    assert made.ca_file.read_text() == other.ca_certificate


def test_a_client_trusts_the_server_by_each_of_its_names(tmp_path):
    made = prepare(tmp_path, [], clock=SystemClock())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.server_file)
    for name in ("localhost", "127.0.0.1", "::1", "kubernetes.default.svc"):
        client = ssl.create_default_context(cafile=made.ca_file)
        # What Python 3.13 asks for by default.
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        handshake(server, client, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(cafile=made.ca_file), "other.example.com")


def handshake(server, client, name):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    pending = {here, there}
    for _ in range(20):
        for side in tuple(pending):
            try:
                side.do_handshake()
                pending.discard(side)
            except ssl.SSLWantReadError:
                pass
        if not pending:
            return
    raise AssertionError("no handshake")


@pytest.mark.parametrize("name", ["pki/ca.pem", "pki/server.pem"])
@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_broken_pair_is_one_clear_line(tmp_path, name, content):
    prepare(tmp_path, [], clock=SetClock())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CredentialsError) as caught:
        prepare(tmp_path, [], clock=SetClock())
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_of_another_certificate_is_refused(tmp_path):
    prepare(tmp_path / "a", [], clock=SetClock())
    prepare(tmp_path / "b", [], clock=SetClock())
    marker = b"-----BEGIN PRIVATE KEY-----"
    ours = (tmp_path / "a/pki/ca.pem").read_bytes().partition(marker)
    theirs = (tmp_path / "b/pki/ca.pem").read_bytes().partition(marker)
    (tmp_path / "a/pki/ca.pem").write_bytes(ours[0] + marker + theirs[2])
    with pytest.raises(CredentialsError, match="not the certificate's"):
        prepare(tmp_path / "a", [], clock=SetClock())


@pytest.mark.parametrize("content", [b"", b"junk", ec.generate_private_key(ec.SECP384R1()).private_bytes(*AS_PEM)])
def test_a_broken_key_of_accounts_is_one_clear_line(tmp_path, content):
    prepare(tmp_path, [], clock=SetClock())
    (tmp_path / "pki/sa.key").write_bytes(content)
    with pytest.raises(CredentialsError, match=r"sa\.key: not a key"):
        prepare(tmp_path, [], clock=SetClock())


def test_a_token_with_signs_of_yaml_is_its_text(tmp_path):
    token = "\"a:'b#{\\"
    (tmp_path / "admin.token").write_text(token)
    prepare(tmp_path, [], clock=SetClock()).write_kubeconfig("https://localhost:1")
    assert yaml.safe_load((tmp_path / "kubeconfig").read_text())["users"][0]["user"]["token"] == token


@pytest.mark.parametrize("content", [b"", b"\n", b"two words\n", b"\xff\xfe"])
def test_a_broken_token_is_refused(tmp_path, content):
    (tmp_path / "admin.token").write_bytes(content)
    with pytest.raises(CredentialsError, match=r"admin\.token: not a token"):
        prepare(tmp_path, [], clock=SetClock())


def test_a_directory_that_is_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "data").write_text("x")
    with pytest.raises(CredentialsError, match="data: File exists"):
        prepare(tmp_path / "data", [], clock=SetClock())


def test_a_name_that_no_certificate_can_hold(tmp_path):
    with pytest.raises(CredentialsError, match="cannot stand in a certificate"):
        prepare(tmp_path, ["exämple"], clock=SetClock())


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    write_file(tmp_path / "file", b"old", 0o600)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_files.os, "fsync", full)
    with pytest.raises(CredentialsError, match="No space left"):
        write_file(tmp_path / "file", b"new", 0o600)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_readers_never_see_half_a_kubeconfig(tmp_path):
    made = prepare(tmp_path, [], clock=SetClock())
    made.write_kubeconfig("https://127.0.0.1:1")
    whole = len((tmp_path / "kubeconfig").read_bytes())
    done = threading.Event()
    sizes = set()

    def read():
        while not done.is_set():
            sizes.add(len((tmp_path / "kubeconfig").read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    for port in range(2, 9):
        made.write_kubeconfig(f"https://127.0.0.1:{port}")
    done.set()
    reader.join()
    assert sizes == {whole}


def test_addresses_stand_as_addresses(tmp_path):
    made = prepare(tmp_path, ["fd00::1"], clock=SetClock())
    held = server_certificate(made).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ipaddress.ip_address("fd00::1") in held.get_values_for_type(x509.IPAddress)
