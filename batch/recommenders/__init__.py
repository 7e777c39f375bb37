"""Recommend: `als` trains, `content` places titles that nobody has seen, `hindsight` compares with `baselines`."""
