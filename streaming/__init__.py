"""Kafka -> lake and Kafka -> store.

A record's way: `source`, `gate`, `apply` (its `state` and `outcome`), `scorer` (its `announcer`, `offsets` and
`rescore`), `quarantine`; queries in `pipeline`; `produce` sends.
"""
