"""What two or more layers share, and nothing else.

Without Spark, in reading order: `config`, `clock`, `tiles` and `posts` (mergeable features), `vectors` and `text` (what
models see), `models` and `recommend_model` (a generation's models as arrays) and `model_bytes` (as they are stored),
`ranking` (the recommender's algebra for many users) with its `search`, `scoring` (numeric cores), `trend`, `forecast`
and `trending` (of a title's posts, together `outlook`), `predictions` (profile -> records), `profile_rows` (profiles
out of Arrow), `records` (a prediction and its provenance), `draws` (drawing by hash), `experiments` (who is in which
arm), `agreement`, `blending` (two answers as one), `fidelity`, `keys` (what is where in the store), `commits` (what the
speed layer writes), `states` (what it keeps of an entity), `profiles` (the night's and what came since), `shortlist` (a
list under conditions), `newcomers` (vectors of titles that came up since the night), `new_titles` (who saw them) and
`new_title_reads`, `contributions` (what an answer is made of), `store` with its `scripts`, `scorers` (what they tell of
themselves), `audience` (lists of users), `generations` and `lease` (what is kept, the way back, one night at a time),
`reads` (for an event loop) and `list_reads`.
With Spark: `session`, `schemas`, `rules`, `features`, `tables`, `lake`, `silver` (what fills it). With MLflow:
`registry`.
"""
