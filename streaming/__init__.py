"""Kafka -> lake and Kafka -> store.

A record's way: `source`, `gate`, `apply` (its `state` and `outcome`), `scorer` (its `consumer` with `outages`,
`announcer`, `offsets`, `rescore`, `meter` and `metrics`), `quarantine`; queries in `pipeline`, and beside those of
micro-batches `silent`, those that fill the lake in `archive`; `triggers` tells how they stand, `ended` why one ended.
To Kafka: `produce` sends, `pacing` by event time, `mixing` with faults and `poison` in it.
Of the lake: `rejects` (chosen, shown), `fixes`, `resending` back to Kafka; `replay` of bronze into the store.
"""
