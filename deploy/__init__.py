"""Running it on one machine: what `lambda-arch up`, `down`, `status`, `doctor`, `setup` and `clean` do.

In reading order: `java`, `jars` (what is fetched, verified by the lock files), `ports`, `programs` (each
program's command line and settings), `supervision` (supervisord), `sweeping`, `states`, `topics`, `readiness`,
`servers` (up and down), `doctor`, `cleaning`, `bundle` (the zip for spark-submit).
"""
