"""Bytes and revisions: a durable log, its rings and cursors. Knows no Kubernetes and no HTTP."""
