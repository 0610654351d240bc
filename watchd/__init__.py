"""A server for the Kubernetes API protocol."""
