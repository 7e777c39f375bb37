"""Quality on real data, beside what others reach on the same: `make quality`."""

from __future__ import annotations

from benchmarks.suite import main

if __name__ == "__main__":
    main("quality", __doc__)
