"""What answers which resource or subresource that is no plain object."""

from __future__ import annotations

from watchd.api.reviews import AccessReviews, AuthenticationReviews
from watchd.api.subresources import componentstatus, token
from watchd.api.subresources.binding import Bindings
from watchd.api.subresources.connecting import Connect, Connections
from watchd.api.subresources.eviction import EVICTION, Evictions
from watchd.api.subresources.posting import Post, kind_of
from watchd.api.subresources.special import Services

Where = tuple[str, str, str]
"""Group, plural and subresource; the last is empty for a resource that is not stored."""

AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"

BINDING = kind_of("", "Binding", "io.k8s.api.core.v1", "v1")


def posted(services: Services) -> dict[Where, Post]:
    """Return what is posted and not stored."""
    store = services.store
    bindings = Bindings(store)
    authentication = AuthenticationReviews(services.authenticator, store.clock)
    access = AccessReviews(services.authorizer)
    return {
        ("", "bindings", ""): Post(bindings.collected, keeps_uid=True),
        ("", "pods", "binding"): Post(bindings.named, BINDING, keeps_uid=True),
        ("", "pods", "eviction"): Post(Evictions(store), EVICTION),
        ("", "serviceaccounts", "token"): Post(
            token.TokenRequests(store, services.issuer), token.TOKEN_REQUEST, token.default, keeps_uid=True
        ),
        (AUTHENTICATION, "selfsubjectreviews", ""): Post(authentication.own),
        (AUTHENTICATION, "tokenreviews", ""): Post(authentication.token),
        (AUTHORIZATION, "subjectaccessreviews", ""): Post(access.of_anybody),
        (AUTHORIZATION, "localsubjectaccessreviews", ""): Post(access.of_anybody_here),
        (AUTHORIZATION, "selfsubjectaccessreviews", ""): Post(access.own),
        (AUTHORIZATION, "selfsubjectrulesreviews", ""): Post(access.own_rules),
    }


def connected(services: Services) -> dict[Where, Connect]:
    """Return the ways to what runs on nodes, and what is only read."""
    ways = Connections(services.store)
    return {
        ("", "componentstatuses", ""): componentstatus.answer,
        ("", "nodes", "proxy"): ways.node_proxy,
        ("", "pods", "attach"): ways.exec,
        ("", "pods", "exec"): ways.exec,
        ("", "pods", "log"): ways.log,
        ("", "pods", "portforward"): ways.port_forward,
        ("", "pods", "proxy"): ways.pod_proxy,
        ("", "services", "proxy"): ways.service_proxy,
    }
