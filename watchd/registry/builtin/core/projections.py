"""Files in volumes that Kubernetes fills itself: keys of other objects, fields of the pod, tokens and certificates."""

from __future__ import annotations

from typing import Any

from watchd.names import SUBDOMAIN_MAX, dns1123_label, dns1123_subdomain
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, required
from watchd.registry.builtin.common.selectors import selector_problems
from watchd.registry.builtin.common.values import local_path, too_long, user_or_group
from watchd.registry.builtin.core.internalspec import told
from watchd.registry.builtin.core.variables import FOR_FILES, field_ref_problems, resource_ref_problems
from watchd.status import FieldError

Object = dict[str, Any]

MODE_MAX = 0o777

TOKEN_LEAST = 10 * 60
"""Seconds that a projected token lasts at the least."""

TOKEN_MOST = 1 << 32
"""Seconds that a projected token lasts at the most."""

CERTIFICATE_LEAST, CERTIFICATE_MOST, OWN_CERTIFICATE_MOST = 3600, 7_862_400, 86_400
"""Seconds that a pod's certificate may last; the last is for Kubernetes' own signers."""

KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")

CONFLICT = "conflicting duplicate paths"


def file_mode(mode: int | None, path: str) -> list[FieldError]:
    """Check the mode of files; none is fine."""
    if mode is None or 0 <= mode <= MODE_MAX:
        return []
    return [invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")]


def key_problems(item: Object, path: str) -> list[FieldError]:
    """Check a file that has the value of a key."""
    out = [required(f"{path}.{field}") for field in ("key", "path") if not item.get(field)]
    out += local_path(item.get("path", ""), f"{path}.path")
    return out + file_mode(item.get("mode"), f"{path}.mode") + user_or_group(item.get("user"), f"{path}.user")


def downward_file_problems(item: Object, path: str) -> list[FieldError]:
    """Check a file that has a field of the pod; `path` is that of the whole volume, as in the reference."""
    field_ref, resource_ref = item.get("fieldRef"), item.get("resourceFieldRef")
    out = [] if item.get("path") else [required(f"{path}.path")]
    out += local_path(item.get("path", ""), f"{path}.path")
    if field_ref is not None:
        out += field_ref_problems(field_ref, FOR_FILES, f"{path}.fieldRef")
        if resource_ref is not None:
            out.append(invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
    elif resource_ref is not None:
        out += resource_ref_problems(resource_ref, f"{path}.resourceFieldRef", in_volume=True)
    else:
        out.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    return out + file_mode(item.get("mode"), f"{path}.mode") + user_or_group(item.get("user"), f"{path}.user")


class _Paths:
    """The paths of a volume so far."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._taken: set[str] = set()

    def take(self, where: str, quoted: str) -> list[FieldError]:
        """Take a path; `quoted` is what the error quotes where it is taken already."""
        if where in self._taken:
            return [invalid(self._path, quoted, CONFLICT)]
        self._taken.add(where)
        return []


def projected_problems(source: Object, path: str) -> list[FieldError]:
    """Return what is wrong with the sources of a projected volume."""
    paths = _Paths(path)
    out: list[FieldError] = []
    for index, part in enumerate(source.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        for kind in ("secret", "configMap"):
            if part.get(kind) is not None:
                out += _named(part[kind], f"{at}.{kind}", paths)
        if part.get("downwardAPI") is not None:
            for item in part["downwardAPI"].get("items") or ():
                out += downward_file_problems(item, f"{at}.downwardAPI")
                where = item.get("path", "")
                out += paths.take(where, where) if where else []
        if part.get("serviceAccountToken") is not None:
            out += _token(part["serviceAccountToken"], f"{at}.serviceAccountToken", path)
        if part.get("clusterTrustBundle") is not None:
            out += _trust_bundle(part["clusterTrustBundle"], f"{at}.clusterTrustBundle", paths)
        if part.get("podCertificate") is not None:
            out += _certificate(part["podCertificate"], f"{at}.podCertificate", paths)
        if sum(one is not None for one in part.values()) > 1:
            out.append(forbidden(at, "may not specify more than 1 volume type per source"))
    return out


def _named(part: Object, path: str, paths: _Paths) -> list[FieldError]:
    out = [] if part.get("name") else [required(f"{path}.name")]
    for index, item in enumerate(part.get("items") or ()):
        out += key_problems(item, f"{path}.items[{index}]")
        where = item.get("path", "")
        out += paths.take(where, part.get("name", "")) if where else []
    return out


def _token(token: Object, path: str, volume: str) -> list[FieldError]:
    seconds, where = token.get("expirationSeconds"), token.get("path", "")
    out: list[FieldError] = []
    if seconds is None:
        out.append(required(f"{path}.expirationSeconds"))
    elif seconds < TOKEN_LEAST:
        out.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    elif seconds > TOKEN_MOST:
        out.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"))
    return out + (local_path(where, f"{volume}.path") if where else [required(f"{volume}.path")])


def _trust_bundle(bundle: Object, path: str, paths: _Paths) -> list[FieldError]:
    name, signer, where = bundle.get("name"), bundle.get("signerName"), bundle.get("path", "")
    selector = bundle.get("labelSelector")
    out: list[FieldError] = []
    if name is not None and signer is not None:
        out.append(invalid(path, told(bundle, "ClusterTrustBundleProjection"), "only one of name and signerName may be used"))
    elif name is not None:
        out += [] if name else [required(f"{path}.name", "must be a valid object name")]
        out += [invalid(f"{path}.name", name, f"not a valid clustertrustbundlename: {text}") for text in _bundle_name(name)]
        if selector is not None:
            out.append(invalid(f"{path}.labelSelector", told(selector, "n"), "labelSelector must be unset if name is specified"))
    elif signer is not None:
        out += [] if signer else [required(f"{path}.signerName", "must be a valid signer name")]
        out += signer_problems(signer, f"{path}.signerName") + selector_problems(selector, f"{path}.labelSelector")
    else:
        out.append(required(path, "either name or signerName must be specified"))
    out += [] if where else [required(f"{path}.path")]
    return out + local_path(where, f"{path}.path") + paths.take(where, where)


def _bundle_name(name: str) -> list[str]:
    return dns1123_subdomain(name.rpartition(":")[2])


def signer_problems(signer: str, path: str) -> list[FieldError]:
    """Check the name of a signer (`example.com/signer`)."""
    if not signer:
        return [required(path)]
    domain, slash, name = signer.partition("/")
    if not slash or "/" in name:
        return [invalid(path, signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'")]
    out: list[FieldError] = [too_long(path, SUBDOMAIN_MAX)] if len(domain) > SUBDOMAIN_MAX else []
    parts = domain.split(".")
    wrong = next(((part, texts) for part in parts if (texts := dns1123_label(part))), None)
    if wrong is not None:
        out += [invalid(path, domain, f'validating label "{wrong[0]}": {text}') for text in wrong[1]]
    if len(parts) < 2:
        out.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    for part in name.split("."):
        texts = dns1123_subdomain(part)
        if texts:
            return out + [invalid(path, name, f'validating label "{part}": {text}') for text in texts]
    return out


def _certificate(part: Object, path: str, paths: _Paths) -> list[FieldError]:
    signer, key, seconds = part.get("signerName", ""), part.get("keyType", ""), part.get("maxExpirationSeconds")
    out = signer_problems(signer, f"{path}.signerName")
    if key not in KEY_TYPES:
        out.append(not_supported(f"{path}.keyType", key, KEY_TYPES))
    if seconds is not None:
        at = f"{path}.maxExpirationSeconds"
        most = OWN_CERTIFICATE_MOST if signer.partition("/")[0].endswith("kubernetes.io") else CERTIFICATE_MOST
        if seconds < CERTIFICATE_LEAST:
            out.append(invalid(at, seconds, f"if provided, maxExpirationSeconds must be >= {CERTIFICATE_LEAST}"))
        if seconds > most:
            out.append(invalid(at, seconds, f"if provided, maxExpirationSeconds must be <= {most}"))
    files = [(field, part[field]) for field in ("credentialBundlePath", "keyPath", "certificateChainPath") if part.get(field)]
    for field, where in files:
        out += local_path(where, f"{path}.{field}") + paths.take(where, where)
    if not files:
        out.append(required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"))
    return out
