"""The addresses, a file for each kind of thing: `users`, `people` (erase, export), `sessions`, `titles`, `trending`,
`segments`, `churn`, `predictions` (many at once), `events` (handed in), `decisions`, `experiments`,
`administration`, `documentation` (the page of the description), `live` and `pages` (the console), `operations`.
`wishes` are the parameters of lists.

`direct` is the quick way to the plainest of them.
"""
