"""The search: Optuna asks, harmonic trains, the pruner looks in between, and the study is told."""
