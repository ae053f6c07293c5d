"""Workers that Dask has paused: named after some seconds, waited for, and given up after a time that is configured."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from harmonic._compat.distributed import Worker, is_executing, is_paused, memory_of
from harmonic.execution.executors import WorkersLost

NAMED = 4  # workers named in a message
PAUSED_S = 5.0  # seconds after which paused workers are named


class Pauses:
    """Watches for workers that Dask has paused, as it does where their memory is short: they begin nothing new.

    Args:
        timeout: seconds after which it gives up where all are paused and none trains.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._since = dict[str, float]()  # when each was first seen paused
        self._named = set[str]()
        self._idle_since: float | None = None  # since when all are paused and none trains

    def see(self, workers: Mapping[str, Worker], now: float) -> None:
        """Look at the workers as the scheduler knows them, at a time of a monotonic clock; say who is paused.

        Raises:
            WorkersLost: all have been paused for too long.
        """
        paused = {name: worker for name, worker in workers.items() if is_paused(worker)}
        self._since = {name: self._since.get(name, now) for name in paused}
        self._named &= paused.keys()
        long = {name for name, since in self._since.items() if now - since >= PAUSED_S}
        if new := sorted(long - self._named):
            self._named |= long
            others = len(workers) - len(paused)
            rest = f"{others} others train" if others else f"waiting for {self._timeout:g} s at most"
            warnings.warn(f"Dask has paused {self._told(paused, new)}: {rest}", stacklevel=2)
        if len(paused) < len(workers) or not workers or any(map(is_executing, paused.values())):
            self._idle_since = None
            return
        self._idle_since = now if self._idle_since is None else self._idle_since
        if now - self._idle_since >= self._timeout:
            raise WorkersLost(
                f"a Dask worker must be free for the next run within hydra.launcher.executor.paused_timeout="
                f"{self._timeout:g} s; all are paused: {self._told(paused, sorted(paused))}"
            )

    @staticmethod
    def _told(workers: Mapping[str, Worker], names: Sequence[str]) -> str:
        texts = []
        for name in names[:NAMED]:
            used, limit = memory_of(workers[name])
            texts.append(f"{name} ({used / 2**20:.0f} of {limit / 2**20:.0f} MiB)" if limit else name)
        return ", ".join(texts) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
