"""A search's ends and its places: every trial has a folder and a row of its own, any value is a value, counts hold."""

from __future__ import annotations

import ast
import io
import math
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from omegaconf import OmegaConf
from optuna.study import Study
from optuna.trial import Trial, TrialState
from rich.console import Console

from harmonic import load_curves, load_model, load_runs, run
from harmonic._compat.hydra import register_resolver
from harmonic.errors import ConfigError
from harmonic.execution.progress import RunProgress, SweepProgress
from harmonic.results import record
from harmonic.results.columns import STATUSES
from harmonic.results.outcome import Outcome
from harmonic.search.open_trial import OpenTrial, Replicate
from harmonic.search.stages import plan_stages
from harmonic.search.study import load_study
from harmonic.search.trial_attributes import attributes_of
from harmonic.training.trainer import Trainer, no_callback, train
from helpers import CommandLine, config, results

SMALL = ("training.steps=20", "training.evaluate_every=10", "data.points=30", "optimizer=adam")
SEARCH = ("-m", "hydra/sweeper=harmonic", *SMALL, "hydra.sweep.dir=s")
ALONE = "hydra.launcher.executor.workers=1"
SPACE = ("model.width=4,8", "optimizer.lr=interval(1e-3,1e-2)")


def well(command: CommandLine, *arguments: str) -> str:
    """Run a search that must end well; what it prints."""
    done = command(*arguments)
    assert (done.code, done.err) == (0, "")
    return done.out


@contextmanager
def resolver(name: str, function: Callable[[int], int]) -> Iterator[None]:
    """A resolver of somebody's own, for a while."""
    register_resolver(name, function, use_cache=False)
    try:
        yield
    finally:
        OmegaConf.clear_resolver(name)


@pytest.mark.parametrize(
    "subdir",
    [
        "w${model.width}",
        "${hydra.job.override_dirname}",
        "constant",
        ".",
        "${model.width}${hydra.job.num}",
        "${hydra.job.num}${model.width}",
        "fresh/${hydra.job.num}",
        "table/${hydra.job.num}",
        ".hydra/${hydra.job.num}",
        "a/../${hydra.job.num}",
        "study.journal/${hydra.job.num}",
        "multirun.yaml/${hydra.job.num}",
        "optimization_results.yaml/${hydra.job.num}",
        "../${hydra.job.num}",
        "/tmp/${hydra.job.num}",
    ],
)
@pytest.mark.parametrize("launcher", ["harmonic", "basic"])
def test_a_folder_that_is_not_a_trials_own_is_refused(
    harmonic_command: CommandLine, subdir: str, launcher: str
) -> None:
    search = (*SEARCH, ALONE) if launcher == "harmonic" else (*SEARCH, "hydra/launcher=basic")
    refused = harmonic_command(*search, *SPACE, f"hydra.sweep.subdir={subdir}")
    assert refused.code == 2
    assert refused.err.startswith("harmonic: hydra.sweep.subdir must be a folder")
    assert len(refused.err.splitlines()) == 1
    assert not list(harmonic_command.folder.rglob("*.parquet"))


@pytest.mark.parametrize("seeds", ["null", "[3]", "[1,2]"])
@pytest.mark.parametrize(
    "subdir",
    ["t${hydra.job.num}", "w${model.width}/${hydra.job.num}", "${hydra.job.override_dirname}-${hydra.job.id}"],
)
def test_any_other_subdir_keeps_every_trial_apart(harmonic_command: CommandLine, subdir: str, seeds: str) -> None:
    folder = harmonic_command.folder / "s"
    well(harmonic_command, *SEARCH, *SPACE, f"hydra.sweep.subdir={subdir}", f"hydra.sweeper.seeds={seeds}",
         "hydra.sweeper.n_trials=6")  # fmt: skip
    runs = load_runs(folder)
    assert len(runs) == runs["dir"].nunique() == load_curves(folder)["run"].nunique() == (12 if "," in seeds else 6)
    assert len(runs)
    assert all(load_model(row) is not None for _, row in runs.iterrows())
    best = load_study(folder).best_trial.number
    found = yaml.safe_load((folder / "optimization_results.yaml").read_text())
    assert Path(found["best_dir"]).is_dir()
    of_best = runs[runs["trial"] == best]
    inside = [Path(name).relative_to(found["best_dir"]).parts for name in of_best["dir"]]
    if "," not in seeds:
        assert inside == [()]
    elif "override_dirname" not in subdir:  # that names the seed too
        assert inside == [("1",), ("2",)]


def test_two_trials_of_one_folder_end_in_a_line(harmonic_command: CommandLine) -> None:
    """Where only the numbers themselves tell: both the first trial and what is between are kept."""
    search = (*SEARCH, *SPACE, "hydra.sweeper.n_trials=6", ALONE)
    with resolver("few", lambda number: min(number, 2) if number < 10**6 else number):
        done = harmonic_command(*search, "hydra.sweep.subdir='t${few:${hydra.job.num}}'")
    assert done.code == 2
    assert "a folder of its own for each trial; got 't2 for the trials 2 and 3'" in done.err
    assert load_runs(harmonic_command.folder / "s")["trial"].tolist() == [0, 1, 2]


def open_trial(values: list[float]) -> OpenTrial:
    """A trial whose replicates came to these values."""
    outcomes = [Outcome({"status": "complete", "gap": value}, {}) for value in values]
    replicates = [Replicate([], seed, outcome=outcome) for seed, outcome in enumerate(outcomes)]
    return OpenTrial(cast(Trial, None), {}, replicates, plan_stages(1, None, len(values), one_by_one=False), ["gap"])


@given(st.lists(st.floats(), min_size=1, max_size=6))
def test_any_values_have_a_mean_and_a_spread_or_none(values: list[float]) -> None:
    one = open_trial(values)
    (mean,), spread = one.results(), one.spread()
    if all(map(math.isfinite, values)):
        assert min(values) <= mean <= max(values) or np.isclose(mean, values[0], rtol=1e-15)
    else:
        assert np.array_equal(mean, sum(value for value in values if not math.isfinite(value)), equal_nan=True)
    if len(values) == 1:
        assert spread is None
        return
    assert spread is not None
    if all(abs(value) < 1e307 for value in values):
        assert spread[0] is not None
    assert spread[0] is None or 0 <= spread[0] < math.inf


@pytest.mark.parametrize("options", [(), ("objective=[sparse_rmse,valid_rmse]",)], ids=["one", "several"])
def test_infinite_errors_are_values(harmonic_command: CommandLine, options: tuple[str, ...]) -> None:
    out = well(harmonic_command, *SEARCH, "~model", "+model={_target_: helpers.Infinite}", SPACE[1],
               "objective=sparse_rmse", "hydra.sweeper.seeds=[0,1]", "hydra.sweeper.n_trials=3", *options)  # fmt: skip
    study = load_study(harmonic_command.folder / "s")
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    assert [one.values[0] for one in complete] == [math.inf] * 3  # noqa: PD011 - a trial's
    assert "sparse_rmse inf" in out
    assert len(load_runs(harmonic_command.folder / "s")) == 6


@pytest.mark.filterwarnings("ignore:The intermediate values")  # Wilcoxon's: it will not prune such a trial
@pytest.mark.parametrize("pruner", ["MedianPruner", "WilcoxonPruner", "SuccessiveHalvingPruner"])
def test_a_pruner_may_be_told_an_infinity(harmonic_command: CommandLine, pruner: str) -> None:
    well(harmonic_command, *SEARCH, "~model", "+model={_target_: helpers.Infinite}", SPACE[1], "objective=sparse_rmse",
         "hydra.sweeper.prune_by=sparse_rmse", "hydra.sweeper.seeds=[0,1,2]", "hydra.sweeper.n_trials=8",
         f"hydra.sweeper.pruner._target_=optuna.pruners.{pruner}")  # fmt: skip
    assert len(load_study(harmonic_command.folder / "s").trials) == 8


FAILS_FOR = ("~model", "+model={_target_: helpers.Failing, patience: '${patience:${seed}}'}")


@pytest.mark.parametrize(
    ("fresh", "model", "said"),
    [
        ("[7]", (), "the best from 1 fresh seeds: valid_rmse"),
        ("[7,8]", ("optimizer=sgd", "optimizer.lr=choice(1e6)"), "no trial was completed"),
        ("[7,8]", FAILS_FOR, "(medians; 1 failed)"),
        ("[7,9]", FAILS_FOR, "none was completed; 2 failed"),
    ],
)
def test_fresh_seeds_that_end_badly(
    harmonic_command: CommandLine, fresh: str, model: tuple[str, ...], said: str
) -> None:
    search = (*SEARCH, "optimizer.lr=interval(1e-3,1e-2)", "hydra.sweeper.n_trials=2", *model)
    with resolver("patience", lambda seed: 3 if seed in (7, 9) else 1000):
        assert said in well(harmonic_command, *search, f"hydra.sweeper.fresh_seeds={fresh}")
        assert said in well(harmonic_command, *search, f"hydra.sweeper.fresh_seeds={fresh}")  # nothing to do


def left_running(folder: Path, count: int) -> None:
    """As of a search that was killed with so many trials in training."""
    study = load_study(folder)
    for _ in range(count):
        study.ask()


@pytest.mark.parametrize("end", ["n_trials=3", "n_trials=5", "n_trials=20 hydra.sweeper.timeout=0",
                                 "n_trials=20 hydra.sweeper.target=100"])  # fmt: skip
def test_what_was_left_running_waits_where_no_more_is_wanted(harmonic_command: CommandLine, end: str) -> None:
    folder = harmonic_command.folder / "s"
    well(harmonic_command, *SEARCH, *SPACE, "hydra.sweeper.n_trials=5")
    left_running(folder, 4)
    out = well(harmonic_command, *SEARCH, *SPACE, *f"hydra.sweeper.{end}".split())
    assert len(load_runs(folder)) == 5, "nothing was trained"
    assert "left" not in out
    assert out.count("5 of 20" if "20" in end else "5 of 5") >= 1
    well(harmonic_command, *SEARCH, *SPACE, "hydra.sweeper.n_trials=7")
    assert [one.state for one in load_study(folder).trials] == [TrialState.COMPLETE] * 7 + [TrialState.WAITING] * 2
    out = well(harmonic_command, *SEARCH, *SPACE, "hydra.sweeper.n_trials=10")
    assert [one.state for one in load_study(folder).trials] == [TrialState.COMPLETE] * 10
    assert load_runs(folder)["trial"].tolist() == list(range(10))
    assert "10 of 10 trials" in out


STEPS = st.lists(st.one_of(st.sampled_from(STATUSES), st.integers(0, 30)), max_size=40)


@given(st.integers(1, 20), st.integers(0, 20), STEPS)
def test_counts_never_exceed_the_total_and_no_time_is_negative(wanted: int, kept: int, steps: list[str | int]) -> None:
    console = Console(file=io.StringIO(), width=200)
    progress = SweepProgress(console, every=0, unit="trials")
    progress.begin(wanted, kept)
    with progress:
        for step in steps:
            if isinstance(step, int):
                progress.kept(step)
            else:
                progress.finished(step, "best valid_rmse 0.1 at model.width=8")
    lines = shown(console).splitlines()
    for count, total in re.findall(r"^(\d+) of (\d+) trials", "\n".join(lines), re.MULTILINE):
        assert int(count) <= int(total) >= wanted
    assert "-" not in shown(console)
    assert "left" not in lines[-1], "at its end nothing is left"


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_the_bar_fits_the_terminal_and_shows_count_and_time(width: int) -> None:
    """Where it is narrow the tally is cut, and the best parameters, which have a line of their own."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    progress = SweepProgress(console, unit="trials")
    progress.begin(400, 5)
    progress.running(8)
    with progress:
        for status in STATUSES:
            progress.finished(
                status, f"best valid_rmse 0.1234 ± 0.001 at {' '.join(f'key{i}=0.{i}' for i in range(30))}"
            )
        paper = Console(file=io.StringIO(), width=width)
        paper.print(progress._bar.get_renderable())
    lines = shown(paper).splitlines()
    assert [line.split()[0] for line in lines] == ["9/400", "best"]
    assert lines
    assert all(len(line) <= width for line in lines)
    assert re.search(r" \d+:\d\d:\d\d ", lines[0])
    assert "0.1234" in lines[1]


def test_a_single_runs_bar_moves_with_its_losses() -> None:
    """It says that it is preparing until the first losses come, and then counts steps, however few come at once."""
    seen = list[str]()

    class Watched(RunProgress):
        def __call__(self, step: int, losses: NDArray[np.float64]) -> None:
            super().__call__(step, losses)
            (task,) = self._bar.tasks
            seen.append(f"{task.description} {task.completed:g} of {task.total:g}")

    with Watched(200, Console(file=io.StringIO(), force_terminal=True)) as progress:
        (task,) = progress._bar.tasks
        assert (task.description, task.total) == ("preparing", None)
        train(Trainer(config("training.steps=200", "training.evaluate_every=200")), progress)
    assert seen[0] == "training 1 of 200", "one step, for nobody knows how long it takes"
    assert seen[-1] == "writing 200 of 200"


def stamped(folder: Path) -> dict[str, list[str]]:
    """The ids of the runs that the study knows, by trial, and those that are in the table."""
    known = {f"trial {one.number}": sorted(attributes_of(one)["runs"]) for one in load_study(folder).trials}
    runs = load_runs(folder)
    assert {f"trial {number}": sorted(rows["run"]) for number, rows in runs.groupby("trial")} == known
    return known


WILCOXON = ("hydra.sweeper.pruner._target_=optuna.pruners.WilcoxonPruner", "+hydra.sweeper.pruner.p_threshold=0.4")
MEDIAN = ("hydra.sweeper.pruner._target_=optuna.pruners.MedianPruner", "+hydra.sweeper.pruner.n_startup_trials=1")
SEVERAL = ("objective=[valid_rmse,gap]", "hydra.sweeper.prune_by=valid_rmse", *MEDIAN)
DIVERGING = ("optimizer=sgd", "optimizer.lr=choice(1e-4,1e6)")


@pytest.mark.parametrize(
    "options",
    [(), ("hydra.sweeper.seeds=[0,1]",), ("hydra.sweeper.seeds=range(0,6)", *WILCOXON), MEDIAN,
     ("hydra.sweeper.seeds=[0,1]", *SEVERAL), DIVERGING,
     ("hydra.sweeper.storage=sqlite:///FOLDER/study.db", "hydra.sweeper.study_name=s")],
    ids=["one seed", "seeds", "wilcoxon", "median", "several objectives", "diverging", "shared"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:RetryHeartbeatStaleTrialCallback")
@pytest.mark.parametrize("removed", ["all", "a part"])
def test_rows_that_are_lost_are_trained_again(
    harmonic_command: CommandLine, options: tuple[str, ...], removed: str
) -> None:
    """Under their trials' numbers and their own ids, to the same results; nothing is asked anew."""
    folder = harmonic_command.folder / "s"
    options = tuple(option.replace("FOLDER", str(harmonic_command.folder)) for option in options)
    search = (*SEARCH, *SPACE, "hydra.sweeper.n_trials=8", ALONE, *options,
              "hydra.sweeper.sampler._target_=optuna.samplers.RandomSampler")  # fmt: skip
    well(harmonic_command, *search)
    (before, curves), ids = results(folder), stamped(folder)
    parts = sorted((folder / "table").glob("runs-*"))
    for part in parts if removed == "all" else parts[:1]:
        part.unlink()
    out = well(harmonic_command, *search)
    assert "trials have rows that are missing in the table: their runs are trained again" in out
    assert "8 of 8 trials" in out
    (after, curves_after), ids_after = results(folder), stamped(folder)
    assert ids == ids_after
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    pd.testing.assert_frame_equal(curves.drop_duplicates(), curves_after.drop_duplicates(), check_exact=True)
    assert len(load_study(folder).trials) == 8


def test_a_table_removed_during_a_search_is_named(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end compares the table with the study: exit code 1, and the same command goes on."""
    folder = harmonic_command.folder / "s"
    tell = Study.tell

    def removing(study: Study, trial: Trial, *arguments: Any, **named: Any) -> Any:
        if trial.number == 3 and study.study_name == "s":
            shutil.rmtree(folder / "table")
        return tell(study, trial, *arguments, **named)

    search = (*SEARCH, *SPACE, "hydra.sweeper.n_trials=6", ALONE)
    with monkeypatch.context() as patch:
        patch.setattr(Study, "tell", removing)
        done = harmonic_command(*search)
    assert done.code == 1
    assert "trial 0, trial 1" in done.err
    assert "the same command with the same hydra.sweep.dir trains them again" in done.err
    assert len(done.err.splitlines()) == 1
    assert "6 of 6" not in done.out
    assert "2 of 6 trials" in done.out
    well(harmonic_command, *search)
    assert load_runs(folder)["trial"].tolist() == list(range(6))
    stamped(folder)


def test_a_grid_ends_with_the_line_that_loads_it(harmonic_command: CommandLine) -> None:
    """As a search does; what is printed is what works, whatever is in the folder's name."""
    for name, arguments in (
        ("a b", ("-m", "seed=1,2,3")),
        ('q"ü', (*SEARCH[:2], SPACE[1], "hydra.sweeper.n_trials=3")),
    ):
        out = well(harmonic_command, *arguments, *SMALL, f"hydra.sweep.dir='{name}'")
        where, _, line = out.splitlines()[-1].partition(": harmonic.")
        assert where == f"results in {name}"
        call, name_said = line.removesuffix(")").split("(")
        assert call == "load_runs"
        assert len(load_runs(harmonic_command.folder / ast.literal_eval(name_said))) == 3
        assert "diverged" not in out


@pytest.mark.parametrize("search", [False, True], ids=["grid", "search"])
@pytest.mark.parametrize(
    ("rates", "said"), [("1e6,1e7,1e-4", True), (",".join(f"{i}e-6" for i in range(1, 10)) + ",1e6", False)]
)
def test_a_sweep_that_mostly_diverges_says_what_to_try(
    harmonic_command: CommandLine, search: bool, rates: str, said: bool
) -> None:
    extra = ("hydra/sweeper=harmonic", "hydra.sweeper.sampler._target_=optuna.samplers.GridSampler",
             "hydra.sweeper.n_trials=10", ALONE) if search else ()  # fmt: skip
    out = well(
        harmonic_command, "-m", *extra, *SMALL[:-1], "optimizer=sgd", f"optimizer.lr={rates}", "hydra.sweep.dir=s"
    )
    line = (
        f"{2 if said else 1} of {3 if said else 10} {'trials' if search else 'runs'} diverged: try a lower optimizer.lr"
    )
    assert (line in out) == said


def test_a_grid_with_failed_runs_says_where_to_look(harmonic_command: CommandLine) -> None:
    done = harmonic_command("-m", "~model", "+model={_target_: helpers.Failing}", "+model.patience=3,1000", *SMALL,
                            "hydra.sweep.dir=s")  # fmt: skip
    assert done.code == 1
    assert "1 of 2 runs failed: see the column `error`, and harmonic.log in their folders" in done.out
    assert done.out.splitlines()[-1] == 'results in s: harmonic.load_runs("s")'


@pytest.mark.parametrize("arguments", [(), ("-m", "seed=1,2"), (*SEARCH[:2], SPACE[1], "hydra.sweeper.n_trials=2")])
def test_the_command_runs_in_any_thread(harmonic_command: CommandLine, arguments: tuple[str, ...]) -> None:
    """Whose signals are none: only the main thread hears them."""
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(harmonic_command, *arguments, *SMALL).result()
    assert (done.code, done.err) == (0, "")
    assert len(load_runs(harmonic_command.folder)) == max(1, 2 * bool(arguments))


@pytest.mark.parametrize("same", [True, False])
def test_of_two_runs_at_once_in_one_folder_none_is_lost_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    """As with one `hydra.run.dir`, or two of Hydra's own basic sweeps: whoever comes second keeps off."""
    place, train_one = record.Place(tmp_path, tmp_path), run.train_one
    first, second = config("model.width=3", "figures=false"), config(f"model.width={3 if same else 4}", "figures=false")

    def meanwhile(*arguments: Any) -> Outcome:
        monkeypatch.setattr(run, "train_one", train_one)
        run.execute(second, place, no_callback)
        return train_one(*arguments)

    monkeypatch.setattr(run, "train_one", meanwhile)
    if same:
        row = run.execute(first, place, no_callback)
        assert row["run"] == load_runs(tmp_path)["run"].item()
    else:
        with pytest.raises(ConfigError, match=r"must be free or hold the same run; .*model.width=4, this one .*3"):
            run.execute(first, place, no_callback)
    assert load_runs(tmp_path)["model.width"].tolist() == [second.model["width"]]
    assert len(list((tmp_path / "table").glob("runs-*"))) == 1
