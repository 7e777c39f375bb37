"""The addresses, a file for each kind of thing: `users`, `sessions`, `titles`, `events` (handed in), `administration`,
`documentation` (the page of the description), `live` and `pages` (the console), `operations`.

`direct` is the quick way to the plainest of them.
"""
