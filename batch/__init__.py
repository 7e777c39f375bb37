"""Lake -> models -> generation. The night, in order of its steps; `pipeline` is the page that reads them.

`ingestion` (files) and `conform` (bronze) fill silver; `known` is what was known at a horizon, `intake` what was read.
`training` has what models learn from, chosen (`selection`) and trained by `recommenders`, `customers` and `feelings`.
`judgement` measures fidelity and evidence, with `measures`, and admits or refuses; `learning` is both, in their order,
and `stages` times them. `publish` writes (`wire`: as bytes of the store's protocol), `audience` lists of users;
`reporting` tells the registry and makes the page; `exports` are models as files; `stored` reads back what nights have
left, `republish` brings a generation of them back into a lost store.
"""
