"""Kafka -> lake and Kafka -> store.

A record's way: `source`, `gate`, `apply` (its `state`), `scorer`, `quarantine`; queries in `pipeline`; `produce` sends.
"""
