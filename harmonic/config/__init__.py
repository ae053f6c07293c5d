"""A config from overrides: its schema, how Hydra composes it, for one run and for all runs of a sweep, and how it is
written back as a command. To others: `schema` (the dataclasses that go inward), `compose`, `sweep_compose`, `quoting`.
Files that begin with an underscore are this folder's own.
"""
