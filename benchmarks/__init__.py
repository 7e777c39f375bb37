"""What the product is measured by: `quality` on real data, `bench` for speed and size, both against rivals.

`planted` has the posts that forecasts are measured on, whose truth is known; `service` is what events are sent to,
`backlog` what waits for it, `memory` what it takes. `rows` is what every measurement gives,
`ground` what it may stand on; each `quality_*` and `bench_*` module has a function `rows(ground)`, and `suite` runs
those that are there.
"""
