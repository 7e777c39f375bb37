"""Files and databases -> silver, by a mapping.

`ingest` is the way of a file's rows: `readers` (`avro`, `sqlite`, `text` where Spark does not read them), `numbering`,
`mapping`; `report` counts what became of them, `faults` says in a line what could not be read.
"""
