"""A streaming service that never was: its events, posts and catalogue, and the truth behind them.

In reading order: `pipeline` says what is made; `plan` is what was asked for. The hidden world: `titles`, `users`,
`lives` (what befalls them day by day), `rhythm` (when people watch), together `world`. What comes of it: `rows`,
`sessions`, `opinions`; `arrival` repeats, delays and disorders; `parts` cuts the span. How it is written: `columns`,
`lines`, `mappings`, `files`, `truth`.
"""
