"""Business rules: what may be shown where, and in which order.

In reading order: `book` (the YAML), `reading` (file -> book, read anew when it changes), `wish` (what a request asks),
`shelf` (a generation's titles as columns), `filters` (which titles may not be shown, and why), `frequency` (of them
those that were shown too often), `arrangement` (the order of those that may).
"""
