"""`python -m watchd` is `watchd`."""

from __future__ import annotations

from watchd.cli import main

if __name__ == "__main__":
    main()
