"""The addresses, a file for each kind of thing that is asked about: `users`, `titles`, `operations`.

`direct` is the quick way to the plainest of them.
"""
