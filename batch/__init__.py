"""Lake -> models -> generation. The night, in order of its steps; `pipeline` is the page that reads them.

`ingest` (files, by `mapping`, `readers` and `numbering`) and `conform` (bronze) fill silver; `known` is what was known
at a horizon; `recommend`, `segment`, `churn`, `sentiment` train (`hindsight` compares recommenders with `baselines`,
`content` places unseen titles; `feature_vectors` and `usefulness` for customers and viewers; `logistic` and
`calibration` for churn, `lasting` for segments; `classifiers`, `sentiment_selection` and `lexicon` for sentiment);
`backtest` measures fidelity and evidence (`replay`, `cases`, `panel`, `bootstrap`, `lags`, `evidence`; `fidelity_plot`
draws it, `backtest_rows` keeps it); `gate` judges, `incumbent` is what stays where it refuses; `publish` writes
(`wire`: as bytes of the store's protocol); `aftermath` tells the registry (`tracking`) and writes the `report`, with
what `plots` has in it as `svg`.
"""
