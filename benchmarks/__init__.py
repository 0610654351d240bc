"""Benchmarks: watchd beside the reference, in one run, on one machine, as ratios. `python -m benchmarks --help`."""
