"""Topic `gated` -> the store: one scorer of the consumer group; run as many as there are partitions."""

from __future__ import annotations

import argparse

from jobs.stopping import stop_flag
from lambda_arch.config import load_config
from streaming.scorer import run_scorer


def main() -> None:
    """Run until SIGTERM."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run_scorer(load_config(), stop_flag().is_set)


if __name__ == "__main__":
    main()
