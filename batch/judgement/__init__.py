"""How good tonight's models are, and whether they may replace what is in service.

`backtest` asks everybody the same questions: `replay` cuts events, `cases` are the questions, `panel` the answers as
columns. `lags` makes fidelity of them, `evidence` what the `gate` judges by; `incumbent` is what stays where it
refuses. `rows` is what the lake keeps.
"""
