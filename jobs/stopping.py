"""How a long-running job stops: SIGTERM and SIGINT set a flag."""

from __future__ import annotations

import signal
import threading


def stop_flag() -> threading.Event:
    """An event that SIGTERM or SIGINT sets."""
    flag = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: flag.set())
    return flag
