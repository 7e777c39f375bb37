"""The serving layer: store -> arbiter -> HTTP and console. Never imports pyspark, mlflow or delta.

In reading order: `server` (who runs it), `one_write` (its connections), `app` (what it is made of), `access` (who may
ask), `routes` (the addresses), `desk` (where they ask), `answers` (read, decide, fall back), `arbiter` (the
decision), `fallback` (the end of each chain), `stored` (bytes -> records), `values` (what a value looks like),
`current` (the generation in memory), `former` (the one before, for experiments), `words` (decisions in words),
`intake` (records that are handed in) and `outbox` (their way into Kafka), `rejected` (what the gate refused),
`people` (erased, exported), `replies` and `problems` (what goes out), `batches` (many at once), `audience` (lists of
users), `segment_list`, `risk_page` and `rows` (what is told of them; `lists_shown` on the command line), `tradeoff`
and `cutoffs` (from costs to a cutoff), `traits` (in words), `entries` and `decision_log` (what is kept of it),
`decision_topic` and `replaying` (decided again), `metrics`, `pulse` (how all of it stands, second by second),
`trends` (titles out of their usual), `console`; `pages/` are the files of the page for people. Lists: `recommending`
(who asks for one), `person` (what is known of a viewer), `listing` (a list under `rules`), `similar`, `newcomers`
(what came up since the night) and `offering` (to whom); reasons: `explaining`, `explained` (as types); `caching`
(what need not be sent twice), `questions` (lists and reasons without HTTP).
"""
