"""What the tests of the doors share: a certificate, and a door on a free port."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl

import attrs
import h2.config
import h2.connection
import httpx
import hypercorn.trio
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypercorn.config import Config

from watchd.seams import SystemEntropy
from watchd.serving.app import create_app
from watchd.serving.door import Limits, serve
from watchd.serving.listeners import Listener, Tls
from watchd.serving.served import Served
from watchd.serving.sink import Patience
from watchd.values import Address


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate for localhost and its key, one PEM file; it vouches for itself as a client CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Http2Client:
    """An HTTP/2 client that does what it is told, and nothing else: no window is opened by itself."""

    def __init__(self, stream, settings=None):
        self.stream = stream
        self.received = []
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.connection.initiate_connection()
        if settings:
            self.connection.update_settings(settings)

    async def flush(self):
        await self.stream.send_all(self.connection.data_to_send())

    def request(self, path, method="GET", *, end=True):
        """Open a stream and return its number; `flush` sends it."""
        stream_id = self.connection.get_next_available_stream_id()
        headers = [(":method", method), (":path", path), (":scheme", "https"), (":authority", "localhost")]
        self.connection.send_headers(stream_id, headers, end_stream=end)
        return stream_id

    async def event(self):
        """Return the next event, or None once the server has closed; acknowledges settings and no data."""
        while not self.received:
            data = await self.stream.receive_some(65536)
            if not data:
                return None
            self.received += self.connection.receive_data(data)
            await self.flush()
        return self.received.pop(0)

    async def wait_for(self, kind):
        """Return the first event of a kind."""
        while (event := await self.event()) is not None:
            if isinstance(event, kind):
                return event
        raise AssertionError(f"the server closed before {kind.__name__}")


@attrs.define
class Door:
    """A running door."""

    plain: Address
    tls: Address
    shutdown: trio.Event
    abort: trio.Event
    closed: trio.Event
    certificate: object

    def context(self, *alpn, client_certificate=False):
        """A client's TLS context."""
        context = ssl.create_default_context(cafile=self.certificate)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if client_certificate:
            context.load_cert_chain(self.certificate)
        return context

    def client(self, *, http2=False, client_certificate=False):
        """An httpx client that trusts the door."""
        context = self.context(client_certificate=client_certificate)
        return httpx.AsyncClient(verify=context, http2=http2)

    async def connect(self, *alpn, tls=False, receive_buffer=None):
        """A raw connection; `receive_buffer` in bytes makes a client whose kernel takes little."""
        address = self.tls if tls else self.plain
        sock = trio.socket.socket()
        if receive_buffer:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        try:
            await sock.connect((address.host, address.port))
        except BaseException:
            sock.close()
            raise
        stream = trio.SocketStream(sock)
        if not tls:
            return stream
        wrapped = trio.SSLStream(stream, self.context(*alpn), server_hostname="localhost", https_compatible=True)
        await wrapped.do_handshake()
        return wrapped

    async def connect_http2(self, *, tls=False, settings=None):
        """An HTTP/2 connection: by ALPN, or in clear text with prior knowledge."""
        return Http2Client(await self.connect("h2", tls=tls), settings)

    @property
    def http(self):
        return f"http://{self.plain}"

    @property
    def https(self):
        return f"https://{self.tls}"


@pytest.fixture(params=[True, False], ids=["native", "hypercorn"])
def native(request):
    """Whether HTTP/1.1 is served by the native door; all of HTTP/2 is Hypercorn's on both."""
    return request.param


@pytest.fixture
def open_door(certificate, nursery, native):
    """Start a door for a handler: `async with open_door(handle) as door`. At its end it is aborted."""

    @contextlib.asynccontextmanager
    async def start(handle, *, patience=None, limits=None, client_ca=False, alpn=("http/1.1", "h2"), by_hand=False):
        served = Served(handle, SystemEntropy(), patience or Patience())
        tls = Tls(certificate, client_ca=certificate if client_ca else None, alpn=alpn)
        loopback = Address("127.0.0.1", 0)
        shutdown, abort, closed = trio.Event(), trio.Event(), trio.Event()

        async def run(task_status):
            await serve(
                served,
                [Listener(loopback), Listener(loopback, tls)],
                shutdown=shutdown,
                abort=abort,
                limits=limits or Limits(),
                native=native,
                task_status=task_status,
            )
            closed.set()

        async def run_by_hand(task_status):
            config = Config()
            config.bind = config.insecure_bind = ["127.0.0.1:0"]
            config.certfile = config.keyfile = str(certificate)
            config.alpn_protocols = list(alpn)
            config.errorlog = None
            config.graceful_timeout = (limits or Limits()).grace
            await hypercorn.trio.serve(create_app(served), config, shutdown_trigger=shutdown.wait, task_status=task_status)
            closed.set()

        if by_hand:
            found = [url.rpartition("/")[2].split(":") for url in await nursery.start(run_by_hand)]
            secure, plain = [Address(host, int(port)) for host, port in found]
        else:
            plain, secure = [bound.address for bound in await nursery.start(run)]
        door = Door(plain, secure, shutdown, abort, closed, certificate)
        with trio.fail_after(20):
            yield door
            abort.set()
            shutdown.set()
            await closed.wait()

    return start


async def until(condition):
    """Wait for something that happens on its own, for at most ten seconds."""
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110  # the condition is the server's, which has no event for it
            await trio.sleep(0.005)


@pytest.fixture(name="until")
def _until():
    return until
