"""Sockets and HTTP: the doors, their sinks and streams."""
