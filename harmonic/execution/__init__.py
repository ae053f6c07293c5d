"""Where the runs of a sweep are trained, and who writes their rows: executors, the pool, grids, signals, progress.

To others: `hydra_launch` for Hydra's launcher, `pool` and `run_writer` for a search, `executors` by `_target_`.
"""
