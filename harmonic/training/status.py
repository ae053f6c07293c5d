"""How a run stands, or has ended."""

from enum import StrEnum


class Status(StrEnum):
    """As the table has it, but for `PAUSED`, which goes on."""

    COMPLETE = "complete"  # all its steps are made
    PAUSED = "paused"  # there are steps to go
    PRUNED = "pruned"  # a pruner ended it
    DIVERGED = "diverged"  # a loss is not finite
    FAILED = "failed"  # an exception was raised
