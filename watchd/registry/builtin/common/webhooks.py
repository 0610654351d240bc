"""Where webhooks are: URLs and services, checked in the reference's words (apiserver's pkg/util/webhook)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from watchd.names import dns1123_subdomain
from watchd.registry.builtin.common.fields import invalid, required
from watchd.status import FieldError

URL_FORM = "; desired format: https://host[/path]"


def url_problems(value: str, path: str) -> list[FieldError]:
    """Check the URL of a webhook."""
    try:
        url = urlsplit(value)
    except ValueError as e:
        return [required(path, f"url must be a valid URL: {e}{URL_FORM}")]
    out: list[FieldError] = []
    if url.scheme != "https":
        out.append(invalid(path, url.scheme, f"'https' is the only allowed URL scheme{URL_FORM}"))
    user, at, host = url.netloc.rpartition("@")
    if not host:
        out.append(invalid(path, "", f"host must be specified{URL_FORM}"))
    if at:
        # The password of the URL stays out of the answer.
        out.append(invalid(path, user.partition(":")[0], "user information is not permitted in the URL"))
    if url.fragment:
        out.append(invalid(path, url.fragment, "fragments are not permitted in the URL"))
    if url.query:
        out.append(invalid(path, url.query, "query parameters are not permitted in the URL"))
    return out


def service_problems(service: Mapping[str, Any], path: str) -> list[FieldError]:
    """Check the service of a webhook."""
    # The reference confuses the two: a missing namespace is told as a missing name.
    out = [required(f"{path}.{told}") for told, field in (("name", "namespace"), ("namespace", "name")) if not service.get(field)]
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        out.append(invalid(f"{path}.port", port, "port is not valid: must be between 1 and 65535, inclusive"))
    at, value = f"{path}.path", service.get("path") or "/"
    if value == "/":
        return out
    if value == "//":
        return [*out, invalid(at, value, "segment[0] may not be empty")]
    if not value.startswith("/"):
        out.append(invalid(at, value, "must start with a '/'"))
    for index, step in enumerate(value[1:].removesuffix("/").split("/")):
        if not step:
            out.append(invalid(at, value, f"segment[{index}] may not be empty"))
        else:
            out.extend(invalid(at, value, f"segment[{index}]: {text}") for text in dns1123_subdomain(step))
    return out
