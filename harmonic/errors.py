"""The errors that are a user's to mend: each is one line with the rule, the value and what is accepted."""


class HarmonicError(Exception):
    """What went wrong, in one line; the command line prints it without a traceback."""


class ConfigError(HarmonicError):
    """A config value breaks its rule. Raised before anything is trained."""

    @classmethod
    def broken(cls, key: str, rule: str, value: object) -> "ConfigError":
        """`key` must obey `rule`; `value` does not."""
        return cls(f"{key} must be {rule}; got {value!r}")


class TableError(HarmonicError):
    """A table that cannot be read or written."""


class RunFailed(HarmonicError):
    """A run raised an exception; its row says so."""


class RowsMissing(RunFailed):
    """Rows that were written are in their table no more."""


class StorageLost(RunFailed):
    """The storage of a study went away while a sweep was at it."""
