"""Churn and segments: what is told of a customer by features.

`feature_vectors` makes vectors of profiles. `churn` is trained by `logistic` and made to mean what it says by
`calibration`; `segment` is named and numbered by `lasting`; `usefulness` tells what each feature is good for.
"""
