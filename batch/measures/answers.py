"""How good one answer is: a ranked list against what was wanted, a probability against what happened."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

CUT = 10
_FLOOR = 1e-6


def ndcg(listed: Sequence[str], relevant: Iterable[str], cut: int = CUT) -> float:
    """Normalised discounted cumulative gain at `cut`, binary relevance (Järvelin, Kekäläinen 2002)."""
    wanted = set(relevant)
    gain = sum(1 / math.log2(place + 2) for place, title in enumerate(listed[:cut]) if title in wanted)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(cut, len(wanted))))
    return gain / ideal if ideal else 0.0


def recall(listed: Sequence[str], relevant: Iterable[str], cut: int = CUT) -> float:
    """Share of the relevant that is among the first `cut`."""
    wanted = set(relevant)
    return len(wanted & set(listed[:cut])) / len(wanted) if wanted else 0.0


def minus_log_loss(probability: float, happened: bool) -> float:
    """Logarithm of the probability given to what happened: 0 is perfect, and higher is better."""
    return math.log(max(_FLOOR, probability if happened else 1 - probability))
