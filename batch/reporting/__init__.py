"""What is told of a night once it is published: `aftermath`, the registry by `tracking`, and the `report`.

`tried` tells candidates apart; `plots` are points, drawn by `svg`, or by `fidelity_plot` into a file.
"""
