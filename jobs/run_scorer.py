"""Topic `gated` -> the store: one scorer of the consumer group; run as many as there are partitions."""

from __future__ import annotations

import argparse
import sys

from jobs.stopping import stop_flag
from lambda_arch.config import ConfigError, load_config
from lambda_arch.records import UnknownSchemaError
from lambda_arch.store import StoreError
from streaming.announcer import AnnounceError
from streaming.consumer import GoneError
from streaming.scorer import run_scorer


def main() -> None:
    """Run until SIGTERM; what stops it before is one line on stderr."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        run_scorer(load_config(), stop_flag().is_set)
    except (ConfigError, StoreError, UnknownSchemaError, AnnounceError, GoneError) as error:
        sys.exit(f"run_scorer: {error}")


if __name__ == "__main__":
    main()
