"""A run as a resumable computation: the trainer, the two engines that advance it, models and optimizers.

To others: `trainer`, and `engine` with what an engine takes and gives; `models` for networks.
"""
