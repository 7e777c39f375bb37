"""The addresses, a file for each kind of thing that is asked about: `users`, `titles`, `operations`."""
