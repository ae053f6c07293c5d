"""The commands: where they start, what they refuse, and how they end.

To others: nothing; the entry points are in `start`.
"""
