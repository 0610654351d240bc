"""The servers that are measured: one a file, each in processes of its own."""
