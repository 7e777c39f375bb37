"""How good answers are (`answers`, `classification`), and how far a mean of that may be off (`bootstrap`)."""
