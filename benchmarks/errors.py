"""What can go wrong around a measurement."""

from __future__ import annotations


class BenchmarkError(Exception):
    """No figure can be had; the message says why in one line."""


class Unavailable(BenchmarkError):
    """A server or client that was asked for is not installed here."""


class PeerFailed(BenchmarkError):
    """A server did not start, stopped, or gave an answer that no workload can go on with."""


class ClientFailed(BenchmarkError):
    """A load generator gave no result."""
