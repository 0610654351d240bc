"""The watch verb: from options to a plan (PROTOCOL.md section 3)."""

from __future__ import annotations

from functools import partial

from conversion.codec import Codec
from storage.types import NOTHING, Revision
from watchd.api.metrics import Metrics
from watchd.api.options import ListOptions
from watchd.api.plans import WatchCore, WatchPlan
from watchd.api.representation import Representation
from watchd.api.requestinfo import RequestInfo
from watchd.api.selection import Selection
from watchd.registry.registry import Endpoint
from watchd.registry.value import TAG_NAME
from watchd.registry.view import View
from watchd.seams import Entropy

MIN_TIMEOUT_SECONDS = 1800
"""A watch that names no timeout lasts this long and up to as long again (the reference's --min-request-timeout)."""


def plan_watch(
    core: WatchCore,
    endpoint: Endpoint,
    info: RequestInfo,
    options: ListOptions,
    selection: Selection,
    codec: Codec,
    shown: Representation | None,
    *,
    entropy: Entropy,
    metrics: Metrics,
) -> WatchPlan:
    """Decide where a watch begins and what wakes it. Raises StatusError 500 for a malformed resourceVersion."""
    revision = Revision(options.watch_revision())
    after: Revision | None = revision
    if options.send_initial_events:
        after = None
    elif revision == NOTHING:
        # sendInitialEvents=false without a revision: from now on.
        after = core.bus.head
    timeout = options.timeout_seconds or MIN_TIMEOUT_SECONDS * (1 + entropy.fraction())
    version = endpoint.version.name
    key = (endpoint.kind, version, codec.media_type, () if shown is None else shown.key, selection)
    projection = None if shown is None else shown.event
    view = View(endpoint.kind, version, codec, selector=selection or None, projection=projection)
    opening = None
    if shown is not None and shown.one is not shown.event:
        opening = View(endpoint.kind, version, codec, selector=selection or None, projection=shown.one)
    return WatchPlan(
        core=core,
        watched=core.frames.watched(key, view),
        opening=opening,
        scope=endpoint.scope(info.namespace, selection.name or "", wake_tag(endpoint, selection)),
        after=after,
        minimum=revision,
        retirement=endpoint.retirement,
        bookmarks=options.allow_watch_bookmarks,
        timeout_seconds=timeout,
        jitter=entropy.fraction(),
        running=partial(metrics.long_running, info),
        events=metrics.watch_events(endpoint.group, endpoint.version.name, endpoint.resource),
    )


def wake_tag(endpoint: Endpoint, selection: Selection) -> tuple[str, str] | None:
    """Return an equality that every wanted change meets before or after, so that other changes wake nobody."""
    name = selection.fields.exact(TAG_NAME)
    if name is not None:
        return TAG_NAME, name
    # A custom kind may gain fields that headers written before do not hold: those objects would wake nobody when they go.
    for field in () if endpoint.kind.custom else endpoint.kind.selectable_fields:
        value = selection.fields.exact(field)
        if value is not None:
            return field, value
    for requirement in selection.labels.requirements:
        value = selection.labels.exact(requirement.key)
        if value:
            return f"label:{requirement.key}", value
    return None
