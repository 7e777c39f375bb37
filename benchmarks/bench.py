"""Speed and size, beside the usual way of doing it: `make bench`."""

from __future__ import annotations

from benchmarks.suite import main

if __name__ == "__main__":
    main("bench", __doc__)
