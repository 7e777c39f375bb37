"""The whole lambda on real data, with figures: `datasets` cuts them, `pipeline` runs the stages in order.

`traffic` sends and counts, `evaluate` and `quality` judge the answers, `latency` and `memory` measure, `report` tells.
"""
