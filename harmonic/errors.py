"""The errors that are a user's to mend: each is one line with the rule, the value and what is accepted."""

from collections.abc import Iterable
from difflib import get_close_matches


def meant(word: str, words: Iterable[str]) -> str:
    """`; did you mean ...?` for a word that is misspelt; empty where no other is close."""
    close = get_close_matches(word, list(dict.fromkeys(words)), n=2)
    return f"; did you mean {' or '.join(close)}?" if close else ""


class HarmonicError(Exception):
    """What went wrong, in one line; the command line prints it without a traceback."""


class ConfigError(HarmonicError):
    """A config value breaks its rule. Raised before anything is trained."""

    @classmethod
    def broken(cls, key: str, rule: str, value: object) -> "ConfigError":
        """`key` must obey `rule`; `value` does not."""
        return cls(f"{key} must be {rule}; got {value!r}")


class PlaceTaken(ConfigError):
    """The folder of a run is another run's: the sweep's fault, not that of the run's values."""


class TableError(HarmonicError):
    """A table that cannot be read or written."""


class RunFailed(HarmonicError):
    """A run raised an exception; its row says so."""


class RowsMissing(RunFailed):
    """Rows that were written are in their table no more."""


class StorageLost(RunFailed):
    """The storage of a study went away while a sweep was at it."""
