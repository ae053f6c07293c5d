"""A sweep's place in its folder: two sweeps that write to one folder would make one table of both."""

from __future__ import annotations

import secrets
import socket
from functools import cached_property
from itertools import count
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from harmonic.errors import ConfigError

LOCK = ".lock"
TOKEN = ".seat"


class SweepLock:
    """A sweep's place in its folder. While it holds it no other takes it; what was running there when it took
    it has died.

    Args:
        home: the sweep's folder.
        shared: whether others may sit beside it.

    Raises:
        ConfigError: another sweep is at it, and the study is not one that they can share.
    """

    def __init__(self, home: Path, shared: bool) -> None:
        home.mkdir(parents=True, exist_ok=True)
        for number in count():
            self._lock = FileLock(home / (f"{LOCK}-{number}" if number else LOCK))
            try:
                self._lock.acquire(timeout=0)
                break
            except Timeout:
                if not shared:
                    raise ConfigError(
                        f"one sweep at a time may write to '{home}'; another is at it: wait, choose another "
                        "hydra.sweep.dir, or a hydra.sweeper.storage that sweeps share"
                    ) from None
        self.first = number == 0
        self._token = home / f"{TOKEN}-{number}"

    @property
    def owner(self) -> str:
        """What tells this seat from all others, and stays when a sweep takes it again. The host's name and the path
        would not do: of containers they may be alike."""
        return f"{socket.gethostname()}:{self._name}"

    @cached_property
    def _name(self) -> str:
        if not self._token.is_file() or not self._token.read_text():
            self._token.write_text(secrets.token_hex(8))
        return self._token.read_text()

    def __enter__(self) -> SweepLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "_name" in self.__dict__ and not self._token.is_file():  # somebody removed the folder: its trials are ours
            self._token.parent.mkdir(parents=True, exist_ok=True)
            self._token.write_text(self._name)
        self._lock.release()
