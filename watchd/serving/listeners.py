"""Where the server listens: addresses, TLS, and the rule that plain HTTP stays on this machine."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import trio

from watchd.values import Address

ALPN = ("http/1.1", "h2")
"""Protocols offered under TLS, the preferred one first: HTTP/1.1 is far cheaper here (DESIGN section 6)."""

BACKLOG = 4096
"""Connections that may wait to be accepted: thousands of watchers reconnect at once after a restart. The kernel
caps it at net.core.somaxconn, whose default is the same."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only, which HTTP/2 demands (RFC 9113 section 9.2.2)."""


class ListenError(Exception):
    """The server cannot listen as it was told. The message is one line and says where."""


class NotLoopback(ListenError):
    """Plain HTTP was asked for on an address that other machines can reach."""


class BadCertificate(ListenError):
    """A certificate, key or CA file cannot be used."""


class Tls(msgspec.Struct, frozen=True):
    """What a listener shows, and whom it asks to show something."""

    certificate: Path
    """PEM: the certificate, and whatever chain clients need."""
    key: Path | None = None
    """PEM; None if it stands in the certificate's file."""
    client_ca: Path | None = None
    """PEM. Clients may then present a certificate; one that these do not vouch for fails the handshake."""
    alpn: tuple[str, ...] = ALPN

    def context(self) -> ssl.SSLContext:
        """Make the server side's context: TLS 1.2 or later. Raises BadCertificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.set_ciphers(CIPHERS)
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        try:
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # ssl.SSLError is one
            raise BadCertificate(f"cannot use the certificate {self.certificate}: {error}") from error
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except OSError as error:
                raise BadCertificate(f"cannot use the client CA {self.client_ca}: {error}") from error
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


class Listener(msgspec.Struct, frozen=True):
    """One address to listen on. Without TLS it must be a loopback address."""

    address: Address
    """Port 0 takes any free one. A name that resolves to several addresses is bound on all of them."""
    tls: Tls | None = None
    sockets: tuple[socket.socket, ...] = ()
    """That listen on the address already: another process has bound them. They are closed with the door."""

    @property
    def scheme(self) -> str:
        """As in URLs."""
        return "https" if self.tls is not None else "http"


class Bound(msgspec.Struct, frozen=True):
    """An address that is listened on."""

    scheme: str
    address: Address

    @property
    def url(self) -> str:
        """Where clients on this machine connect to."""
        return f"{self.scheme}://{self.address.reachable()}"


async def bind(listener: Listener, *, backlog: int = BACKLOG) -> list[trio.SocketListener]:
    """Bind and listen on every address of a listener, on one port.

    Raises:
        NotLoopback: plain HTTP on an address that other machines can reach.
        ListenError: the name does not resolve, or an address cannot be bound.

    """
    if listener.sockets:
        await trio.lowlevel.checkpoint()
        return [trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in listener.sockets]
    host, port = listener.address.host, listener.address.port
    where = f"{listener.scheme}://{listener.address}"
    try:
        found = await trio.socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ListenError(f"cannot listen on {where}: {error.strerror or error}") from error
    if listener.tls is None:
        _must_be_loopback(where, (str(sockaddr[0]) for *_, sockaddr in found))
    listeners: list[trio.SocketListener] = []
    try:
        for family, kind, proto, _, sockaddr in found:
            # Two families of one name share the port that the first was given.
            at = (sockaddr[0], port, *sockaddr[2:])
            listeners.append(trio.SocketListener(await _bind_one(family, kind, proto, at, backlog)))
            port = port or listeners[0].socket.getsockname()[1]
    except OSError as error:
        for bound in listeners:
            bound.socket.close()
        raise ListenError(f"cannot listen on {where}: {error.strerror or error}") from error
    return listeners


def addresses(listener: Listener, listeners: Sequence[trio.SocketListener]) -> list[Bound]:
    """Return what was bound."""
    names = (bound.socket.getsockname() for bound in listeners)
    return [Bound(listener.scheme, Address(name[0], name[1])) for name in names]


async def _bind_one(
    family: socket.AddressFamily, kind: socket.SocketKind, proto: int, at: tuple[object, ...], backlog: int
) -> trio.socket.SocketType:
    sock = trio.socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Else [::] takes 0.0.0.0 as well, and plain loopback rules would have to know of mapped addresses.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        await sock.bind(at)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _must_be_loopback(where: str, found: Iterable[str]) -> None:
    for text in found:
        if not ipaddress.ip_address(text.partition("%")[0]).is_loopback:
            raise NotLoopback(f"{where} can be reached from other machines; without TLS only loopback is served")


ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses of nobody (RFC 5737, RFC 3849): the way to them is the way to the rest of the world."""


def advertised(bound: Bound) -> str | None:
    """Return the address at which other machines reach what is bound, or None where they do not."""
    address = ipaddress.ip_address(bound.address.host.partition("%")[0])
    if address.is_unspecified:
        found = _outgoing(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
        if found is None:
            return None
        address = ipaddress.ip_address(found)
    return None if address.is_loopback or address.is_link_local else str(address)


def _outgoing(family: socket.AddressFamily) -> str | None:
    """Return this machine's address on the way to others. Nothing is sent: the kernel only looks the way up."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ELSEWHERE[family], 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
