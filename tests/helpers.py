"""What several tests need: a config in one line, and the command line in this process."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf
from torch import Generator, Tensor, nn

from harmonic import load_curves, load_runs
from harmonic.cli import application
from harmonic.config.compose import compose
from harmonic.config.schema import Config
from harmonic.data import Harmonic, Sample


def config(*overrides: str) -> Config:
    """A config by overrides, as small as tests want it."""
    return compose(["training.steps=60", "training.evaluate_every=20", "data.points=40", *overrides])


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


class CommandLine:
    """Runs `harmonic` in this process and in a given folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._capsys = capsys
        self._patch = patch

    def __call__(self, *arguments: str) -> Outcome:
        self._capsys.readouterr()
        with self._patch.context() as patch:
            patch.chdir(self.folder)
            code = exit_code(patch, *arguments)
        captured = self._capsys.readouterr()
        return Outcome(code, captured.out, captured.err)


def exit_code(patch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run `harmonic` in this process and folder; whatever it raises but its exit is a bug."""
    patch.setattr(sys, "argv", ["harmonic", *arguments])
    patch.delenv("HYDRA_FULL_ERROR", raising=False)
    try:
        application.main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    finally:
        os.environ.pop("HYDRA_FULL_ERROR", None)
        _close_logs()
    return 0


def command_here(*arguments: str) -> Outcome:
    """The command in this process and folder."""
    out, err, handlers = io.StringIO(), io.StringIO(), list(logging.getLogger().handlers)
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        try:
            code = exit_code(patch, *arguments)
        finally:
            logging.getLogger().handlers[:] = handlers
    return Outcome(code, out.getvalue(), err.getvalue())


def _close_logs() -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, logging.FileHandler):
            root.removeHandler(handler)
            handler.close()


def files(folder: Path) -> Sequence[str]:
    """All files below a folder, as sorted relative paths."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def results(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs below a folder and their curves, without what differs from one making to the next."""
    runs, curves = load_runs(folder), load_curves(folder)
    number = {
        run: Path(name).relative_to(folder).as_posix() for run, name in zip(runs["run"], runs["dir"], strict=True)
    }
    curves["run"] = curves["run"].map(number).astype(str)
    runs["dir"] = runs["run"].map(number)
    order = ["run", "step"]
    runs = runs.drop(columns=["run", "sweep", "started", "train_s"]).sort_values(["trial", "dir"], ignore_index=True)
    return runs, curves.sort_values(order, ignore_index=True)


class Counted(ThreadPoolExecutor):
    """An executor that says when it is built and when it is shut down."""

    said: ClassVar[list[str]] = []

    def __init__(self, workers: int | None = None) -> None:
        super().__init__(workers)
        self.said.append("built")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.said.append("shut down")
        super().shutdown(wait, cancel_futures=cancel_futures)


class Reluctant(ThreadPoolExecutor):
    """An executor whose third segment waits until the table holds the two before it, and fails in the end."""

    def __init__(self, workers: int | None = None) -> None:
        super().__init__(workers)
        self._table, self._given = Path("g/table").absolute(), 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._given += 1
        return super().submit(
            fn if self._given < 3 else self._late, *(() if self._given < 3 else (fn,)), *args, **kwargs
        )

    def _late(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        began = time.monotonic()
        while sum(pq.read_metadata(part).num_rows for part in self._table.glob("runs-*.parquet")) < 2:
            assert time.monotonic() - began < 60, "the rows of what has finished are not in the table"
            time.sleep(0.02)
        return fn(*args, **kwargs)


class Dropping(nn.Sequential):
    """A module that is none of harmonic's and draws random numbers while it trains."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(nn.Linear(2, width), nn.Tanh(), nn.Dropout(0.2), nn.BatchNorm1d(width), nn.Linear(width, 1))


class Failing(nn.Sequential):
    """A module that raises in training once it is asked for more than `patience` passes."""

    def __init__(self, patience: int = 3) -> None:
        super().__init__(nn.Linear(2, 1))
        self.patience = patience

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.patience -= 1
            if self.patience < 0:
                raise RuntimeError("this module has had enough")
        value: Tensor = self[0](x)
        return value


class Unpicklable(nn.Sequential):
    """A module that no other process could be sent."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
        self.scale = lambda value: 2 * value

    def forward(self, x: Tensor) -> Tensor:
        value: Tensor = self.scale(super().forward(x))  # type: ignore[no-untyped-call]
        return value


class Named(nn.Linear):
    """A module that takes arguments of any kind."""

    def __init__(self, **_arguments: object) -> None:
        super().__init__(2, 1)


class Deadly(nn.Sequential):
    """A module that kills the process that trains it."""

    def __init__(self, deadly: bool = True) -> None:
        super().__init__(nn.Linear(2, 1))
        self.deadly = deadly

    def forward(self, x: Tensor) -> Tensor:
        if self.deadly and self.training:
            os.kill(os.getpid(), signal.SIGKILL)
        value: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return value


class DeadlyAt(Deadly):
    """A module that kills the process that trains it, if it is the third."""

    def __init__(self, k: int) -> None:
        super().__init__(k == 3)


class Unwilling(Harmonic):
    """A law that cannot draw as many points as are asked for."""

    def sample(self, generator: Generator) -> Sample:
        if self.points > 45:
            raise ValueError(f"{self.points} points are too many")
        return super().sample(generator)


class Surrounded(Harmonic):
    """A law that depends on the environment in which it is built."""

    factor: float

    def __init__(self, points: int, scale: float, noise: float) -> None:
        super().__init__(points, scale, noise)
        object.__setattr__(self, "factor", float(os.environ.get("HARMONIC_TEST_SCALE", "1")))

    def truth(self, x: Tensor) -> Tensor:
        return super().truth(x) * self.factor


class Drawing(Harmonic):
    """A law that counts how often it is drawn from."""

    draws: ClassVar[int] = 0

    def sample(self, generator: Generator) -> Sample:
        type(self).draws += 1
        return super().sample(generator)


class Infinite(nn.Linear):
    """A module that is infinite in the corners of the plane, where no point of a sample lies."""

    def __init__(self) -> None:
        super().__init__(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        value = super().forward(x)
        return value.where(x.norm(dim=1, keepdim=True) < 13, float("inf"))


class Minimal(Executor):
    """An executor with no more than the two methods that each must have."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = Future[Any]()
        future.set_result(fn(*args, **kwargs))
        return future

    def shutdown(self, wait: bool = True) -> None:  # type: ignore[override]
        """There is nothing to end."""


class Watched(nn.Sequential):
    """A module that depends on the environment, and tells its log of every pass where it stands."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2, 1))
        self.scale = float(os.environ.get("HARMONIC_TEST_SCALE", "1"))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 3:
            logging.getLogger("watched").info("a pass in %s, scale %g", Path.cwd().name, self.scale)
            logging.getLogger("watched").debug("of %d points", len(x))
        value: Tensor = self[0](x)
        return value * self.scale


CALLS: list[dict[str, Any]] = []


class Follower(Callback):
    """Remembers in CALLS what Hydra tells it of jobs."""

    def on_job_start(self, config: DictConfig, *, task_function: TaskFunction, **_kwargs: Any) -> None:
        self._remember("start", config, task=task_function.__name__)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_kwargs: Any) -> None:
        self._remember(
            "end",
            config,
            status=job_return.status,
            value=job_return._return_value,
            cfg=OmegaConf.to_container(job_return.cfg) if job_return.cfg is not None else None,
            name=job_return.task_name,
            overrides=list(job_return.overrides or ()),
            stood=Path(str(job_return.working_dir)).name,
            same=job_return.hydra_cfg is not None and job_return.hydra_cfg.hydra.job == config.hydra.job,
        )

    def _remember(self, event: str, config: DictConfig, **more: Any) -> None:
        plain = OmegaConf.to_container(config)
        assert isinstance(plain, dict)
        hydra = plain.pop("hydra")
        logging.getLogger("follower").info("%s of %d", event, config.hydra.job.num)
        CALLS.append(
            {
                "event": event,
                "config": plain,
                "job": hydra["job"],
                "overrides": hydra["overrides"]["task"],
                "folder": Path(config.hydra.runtime.output_dir).name,
                "its own": HydraConfig.get().job.num == config.hydra.job.num,
                "environment": os.environ.get("HARMONIC_TEST_SCALE"),
                "stands in": Path.cwd().name,
                **more,
            }
        )


class Ended(Follower):
    """Hears of ends alone."""

    on_job_start = Callback.on_job_start


class Even(nn.Sequential):
    """A module that can be built with an even width only."""

    def __init__(self, width: int) -> None:
        if width % 2:
            raise ValueError(f"{width} is odd")
        super().__init__(nn.Linear(2, width), nn.Linear(width, 1))
