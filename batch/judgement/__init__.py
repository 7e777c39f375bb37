"""How good tonight's models are, and whether they may replace what is in service.

`backtest` asks everybody the same questions: `replay` cuts events, `cases` are the questions, `panel` the answers as
columns. `lags` makes fidelity of them, `blends` what both layers are worth together, `evidence` what the `gate` judges
by; `incumbent` is what stays where it refuses. `rows` is what the lake keeps. `agreement` holds the speed layer's last
answers against the night's.
"""
