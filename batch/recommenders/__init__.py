"""Recommend: `als` trains, `content` places titles that nobody has seen, `neighbours` says what is next after each;
`hindsight` compares with `baselines`."""
