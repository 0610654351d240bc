from __future__ import annotations

import sys
from pathlib import Path

# The benchmarks are run from a checkout and not installed: here they are imported from it.
ROOT = str(Path(__file__).parents[3])
if ROOT not in sys.path:
    sys.path.append(ROOT)
