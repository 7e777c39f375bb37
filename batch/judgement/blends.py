"""By lag, the weight at which both layers' answers together are best, and what they gain over the better layer alone.

The weight is chosen on every other entity and its gain measured on the rest, so that nothing is judged by what it was
tuned on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from batch.judgement.lags import LAYERS, Bootstrap
from batch.judgement.panel import Panel
from batch.measures.bootstrap import Floats, clustered, standard_errors
from lambda_arch.fidelity import BUCKETS, Blend, Measure

LEAST_CASES = 30  # on either side


def blends(panel: Panel, bootstrap: Bootstrap) -> dict[str, Blend]:
    """The blend of each lag at which layers differ and both sides have cases enough; its gain may be below 0."""
    found = {}
    for at in BUCKETS[1:] if panel.blends else ():
        here = panel.bucket == at
        tuning, judging = here & (panel.entity % 2 == 0), here & (panel.entity % 2 == 1)
        if min(tuning.sum(), judging.sum()) >= LEAST_CASES:
            name = max(panel.blends, key=lambda weight: float(panel.blends[weight][tuning].mean()))
            gain = _gain(panel, panel.blends[name], judging, bootstrap)
            found[at] = Blend(weight=float(name), gain=gain)
    return found


def _gain(panel: Panel, blend: Floats, judging: NDArray[np.bool_], bootstrap: Bootstrap) -> Measure:
    """What the blend gains over the layer that is better in these very cases, the harder of both to beat."""
    better = max(LAYERS, key=lambda layer: float(panel.answers[layer][judging].mean()))
    values = (blend - panel.answers[better])[judging, None]
    grouped = clustered(panel.entity[judging], values, np.ones_like(values, dtype=bool))
    error = standard_errors(grouped.resampled(bootstrap.resamples, bootstrap.seed), grouped.entities())[0]
    return Measure(round(float(values.mean()), 6), round(float(error), 6), len(values))
