"""The command `harmonic`: Hydra composes a config, and the task trains it.

harmonic model=deep optimizer=adam seed=7
harmonic -m model.width=16,32,64 'seed=range(0,8)'
harmonic -cn post
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import hydra
import omegaconf
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from harmonic import __version__
from harmonic._compat.hydra import VERSION
from harmonic._compat.hydra import main as run_main
from harmonic.cli import _suggestions
from harmonic.cli.check import BAD_INPUT, leave
from harmonic.config import schema
from harmonic.config.compose import config_root, prepare
from harmonic.errors import HarmonicError, RunFailed
from harmonic.execution import signals

RUN_FAILED, INTERRUPTED = 1, 130  # exit codes


def task(composed: DictConfig) -> Any:
    """Train the run that Hydra composed; the value of its objective, or a list of them."""
    from rich.console import Console

    from harmonic.execution.console import run_summary, say
    from harmonic.execution.progress import RunProgress
    from harmonic.results.record import Place, objective
    from harmonic.run import execute
    from harmonic.training.trainer import built_apart

    config = schema.parse(composed)
    place, single = _place(Place), HydraConfig.get().mode == RunMode.RUN
    if config.figures is None:
        config.figures = single
    console = Console()
    with built_apart(bool(HydraConfig.get().job.env_set)):
        if single:
            with RunProgress(config.training.steps, console) as progress:
                row = execute(config, place, progress)
        else:
            row = execute(config, place)
    say(console, run_summary(row) if single else f"#{place.trial} {run_summary(row)}")
    return objective(config, row)


task.trains = True  # type: ignore[attr-defined]  # harmonic's launcher knows it by this


def _place(kind: Any) -> Any:
    """Where Hydra wants this job's files."""
    cfg = HydraConfig.get()
    folder = Path(cfg.runtime.output_dir)
    if cfg.mode == RunMode.RUN:
        return kind(folder, folder)
    home = Path(cfg.runtime.cwd) / cfg.sweep.dir  # where Hydra stood before it went to the job
    return kind(folder, home, home.name, int(cfg.job.num))


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 a run failed, 2 bad input, 130 interrupted, 143 terminated (SIGTERM)."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        with signals.by_signals(), warnings.catch_warnings():
            warnings.showwarning = _warn  # type: ignore[assignment]  # it has no use for the rest
            _run()
    except KeyboardInterrupt as error:
        leave(str(error) or "interrupted", signals.code() or INTERRUPTED)
    except Exception as error:
        if code := signals.code():  # some library made an error of its own of the interrupt
            leave("interrupted", code)
        if wants_traceback or not (isinstance(error, HarmonicError | OSError) or _is_hydras(error)):
            raise
        leave(_line(error), RUN_FAILED if isinstance(error, RunFailed) else BAD_INPUT)


def _warn(message: Warning | str, *_where: Any) -> None:
    """A warning in one line, as what else goes wrong: where in the code it arose is no user's to mend."""
    print(f"harmonic: {' '.join(str(message).split())}", file=sys.stderr)


def _run() -> None:
    if "--version" in sys.argv[1:]:  # Hydra would say its own
        print(f"harmonic {__version__}")
        return
    prepare()
    sys.argv[1:] = [_quoted(text) for text in sys.argv[1:]]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then leaves the wording to us
    folder = str(config_root() / "conf")
    if VERSION >= (1, 4):
        run_main(task, folder, "config")
        return
    from harmonic.config import precedence  # of what Hydra 1.3 alone has

    with precedence.told():
        run_main(task, folder, "config")


def _quoted(argument: str) -> str:
    """Lists of seeds as texts: `range(0,8)` and `0,1,2` would be a sweep over Hydra's own config."""
    key, equals, value = argument.partition("=")
    sweeps = key in ("hydra.sweeper.seeds", "hydra.sweeper.fresh_seeds") and (
        "," in value and not value.startswith(("[", "'", '"'))
    )
    return f"{key}{equals}'{value}'" if sweeps else argument


def _is_hydras(error: Exception) -> bool:
    """Whether Hydra or OmegaConf refused the input: of what they did not think of they say TypeError and the like."""
    if isinstance(error, HydraException | OmegaConfBaseException) or _is_of_logging(error):
        return True
    innermost = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return any(Path(place) in innermost.parents for package in (hydra, omegaconf) for place in package.__path__)


def _is_of_logging(error: Exception) -> bool:
    """Whether it was raised where Hydra hands its config to Python's logging, which raises what it likes."""
    code = configure_log.__code__
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


def _line(error: Exception) -> str:
    """An error in one line: Hydra's and OmegaConf's come in several."""
    if _is_of_logging(error):
        causes = ": ".join(repr(one) for one in (error, error.__cause__) if one is not None)
        rule = "hydra.job_logging, hydra.hydra_logging and hydra.verbose must be such that Python's logging takes them"
        return " ".join(f"{rule}; got {causes}".split())
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        where = f"'{error.filename}' " if error.filename else ""
        return f"the output folder must take what runs write; got {where}({error.strerror})"
    if not isinstance(error, HarmonicError | HydraException | OmegaConfBaseException):
        given = " ".join(sys.argv[1:])
        return " ".join(f"what follows 'harmonic' must be overrides of Hydra's; got {given} ({error!r})".split())
    texts = [str(error)]
    if isinstance(error.__cause__, OmegaConfBaseException):
        texts.append(str(error.__cause__).partition("full_key:")[0])
    # where Hydra looked is no news to a user, and long
    text = ". ".join(" ".join(part.partition("Config search path:")[0].split()) for part in texts if part)
    return _suggestions.worded(error, text, sys.argv[1:])
