"""A search by Optuna: its space, its study, trials on their way, and what is left at its end.

To others: `sweep`, which Hydra's sweeper calls, and `study.load_study`.
"""
