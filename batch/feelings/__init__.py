"""Sentiment: `sentiment` trains what `selection` chose among the `classifiers`, beside a `lexicon`."""
