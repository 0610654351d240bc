"""Random traffic on the bus breaks no guarantee, and the validators that say so catch the faults they are for.

To look into a seed: `pytest tests/simulation -k "history and memory"` prints it with what it broke.
"""

from __future__ import annotations

import pytest

MEMORY_SEEDS = range(80)
LMDB_SEEDS = range(12)


@pytest.mark.parametrize(
    ("implementation", "seeds"), [("memory", MEMORY_SEEDS), ("lmdb", LMDB_SEEDS)], ids=["memory", "lmdb"]
)
def test_history_keeps_every_guarantee(simulate, implementation, seeds):
    broken = {}
    for seed in seeds:
        outcome = simulate(seed, implementation)
        if outcome.violations:
            broken[seed] = outcome.violations
    for seed, found in broken.items():
        print(f"seed {seed}:", *found[:5], sep="\n  ")
    assert broken == {}
