"""Lake -> models -> generation. The night, in order of its steps; `pipeline` is the page that reads them.

`ingest` (files) and `conform` (bronze) fill silver; `known` is what was known at a horizon; `recommend`, `segment`,
`churn`, `sentiment` train (`hindsight` compares recommenders with `baselines`, `content` places unseen titles);
`backtest` measures fidelity and evidence (`replay`, `cases`, `panel`, `bootstrap`, `lags`, `evidence`,
`lexicon`; `fidelity_plot` draws it); `gate` judges; `publish` writes and flips;
`aftermath` tells the registry (`tracking`) and writes the `report`.
"""
