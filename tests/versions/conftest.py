"""A webhook that converts, over TLS, with the faults that a test asks for."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme

Object = dict[str, Any]


def split(spec: Object) -> Object:
    """From v1's `hostPort` to v2's `host` and `port`."""
    host, _, port = spec.get("hostPort", "").partition(":")
    return {"host": host, "port": port}


def join(spec: Object) -> Object:
    """From v2 to v1."""
    return {"hostPort": f"{spec.get('host', '')}:{spec.get('port', '')}"}


@attrs.define
class Hook:
    """The webhook: what it was asked, and how it misbehaves."""

    url: str
    ca: bytes
    fault: str = ""
    sizes: list[int] = attrs.field(factory=list)
    """Objects of each review, in order."""
    release: threading.Event = attrs.field(factory=threading.Event)
    """Set to end the waiting of the fault `hangs`."""

    @property
    def bundle(self) -> str:
        return base64.b64encode(self.ca).decode()

    def conversion(self, **config: Any) -> Object:
        given = {"url": f"{self.url}/convert", "caBundle": self.bundle, **config}
        return {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": given}}

    def answer(self, review: Object) -> Object:
        request = review["request"]
        self.sizes.append(len(request["objects"]))
        objects = [self._converted(obj, request["desiredAPIVersion"]) for obj in request["objects"]]
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}
        match self.fault:
            case "count":
                objects.pop()
            case "uid":
                response["uid"] = "other"
            case "refusal":
                response["result"] = {"status": "Failure", "message": "not today"}
            case "silence":
                return {"kind": "ConversionReview", "apiVersion": review["apiVersion"]}
            case "kind":
                return {**review, "kind": "Other", "response": response}
        return {"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": response}

    def _converted(self, obj: Object, target: str) -> Object:
        change = split if target.endswith("/v2") else join
        meta = dict(obj["metadata"])
        match self.fault:
            case "name":
                meta["name"] = "other"
            case "labels":
                meta["labels"] = {**meta.get("labels", {}), "converted": "yes"}
            case "finalizers":
                meta["finalizers"] = ["example.com/mine"]
            case "version":
                target = target.replace("v2", "v3")
        return {**obj, "apiVersion": target, "metadata": meta, "spec": change(obj.get("spec", {}))}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def hook(authority: trustme.CA) -> Iterator[Hook]:
    found: list[Hook] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            hook = found[0]
            body = self.rfile.read(int(self.headers["content-length"]))
            if hook.fault == "hangs":
                hook.release.wait()
            if hook.fault == "drops":
                hook.fault = ""
                self.close_connection = True
                return
            code = 500 if hook.fault == "500" else 200
            answer = b"{" if hook.fault == "no JSON" else json.dumps(hook.answer(json.loads(body))).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    found.append(Hook(f"https://127.0.0.1:{server.server_port}", authority.cert_pem.bytes()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found[0]
    found[0].release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"
