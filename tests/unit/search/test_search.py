"""The search, by its laws: the table is the study, a resumed sweep is the uninterrupted one, a pruner cuts
runs short and changes nothing in them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from optuna.trial import TrialState

from harmonic import load_model, load_runs
from harmonic.search.journal import JOURNAL
from harmonic.search.study import load_study
from harmonic.search.trial_attributes import attributes_of
from helpers import CommandLine, results
from process import Command
from studies import agrees

SMALL = ("training.steps=60", "training.evaluate_every=20", "data.points=30", "optimizer=adam")
SPACE = ("model.width=interval(2,12)", "optimizer.lr=tag(log,interval(1e-3,1e-1))")
SEARCH = ("-m", "hydra/sweeper=harmonic", *SMALL)
ALONE = "hydra.launcher.executor.workers=1"
PROCESSES = ("hydra/launcher/executor=processes", "hydra.launcher.executor.workers=2")
RANDOM = "hydra.sweeper.sampler._target_=optuna.samplers.RandomSampler"
MEDIAN = ("hydra.sweeper.pruner._target_=optuna.pruners.MedianPruner", "+hydra.sweeper.pruner.n_startup_trials=2")


def trials(folder: Path) -> pd.DataFrame:
    """The study's trials, without what differs from one making to the next."""
    return load_study(folder).trials_dataframe(("number", "value", "params", "state"))


def well(command: CommandLine, *arguments: str) -> str:
    """Run a search that must end well; what it prints."""
    done = command(*arguments)
    assert (done.code, done.err) == (0, "")
    return done.out


@pytest.mark.parametrize("seeds", ["null", "[3]", "range(0,3)"])
@pytest.mark.parametrize(
    "executor", [(), (ALONE,), ("hydra/launcher/executor=processes", "hydra.launcher.executor.workers=2")]
)
def test_the_table_is_the_study(harmonic_command: CommandLine, seeds: str, executor: tuple[str, ...]) -> None:
    folder = harmonic_command.folder / "s"
    well(harmonic_command, *SEARCH, *SPACE, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=5",
         f"hydra.sweeper.seeds={seeds}", *executor)  # fmt: skip
    runs, study = load_runs(folder), load_study(folder)
    replicates = 3 if "range" in seeds else 1
    assert len(runs) == 5 * replicates
    assert [one.state for one in study.trials] == [TrialState.COMPLETE] * 5
    for one in study.trials:
        rows = runs[runs["trial"] == one.number]
        assert one.value == pytest.approx(rows["valid_rmse"].mean(), rel=1e-15)
        assert set(attributes_of(one)["runs"]) == set(rows["run"])
        assert attributes_of(one)["replicates"] == replicates == len(rows)
        assert sorted(rows["seed"]) == {"null": [0], "[3]": [3]}.get(seeds, [0, 1, 2])
        if replicates > 1:
            assert attributes_of(one)["spread"] == [pytest.approx(rows["valid_rmse"].std(), rel=1e-12)]
        for name, value in one.params.items():
            assert (rows[name] == value).all()
        assert all(Path(path).is_relative_to(folder / attributes_of(one)["dir"]) for path in rows["dir"])
    assert isinstance(study.trials[0].params["model.width"], int)


SAMPLERS = {
    "TPESampler": ("+hydra.sweeper.sampler.n_startup_trials=3",),
    "RandomSampler": (),
    "QMCSampler": (),
    "CmaEsSampler": ("+hydra.sweeper.sampler.n_startup_trials=2",),
    "GPSampler": ("+hydra.sweeper.sampler.n_startup_trials=4",),
    "NSGAIISampler": ("+hydra.sweeper.sampler.population_size=3",),
    "NSGAIIISampler": ("+hydra.sweeper.sampler.population_size=3",),
    "GridSampler": (),
    "BruteForceSampler": (),
}
FINITE = ("model.width=range(4,10,2)", "optimizer.lr=1e-3,1e-2")  # six points


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_resumed_search_is_the_uninterrupted_one(harmonic_command: CommandLine, sampler: str) -> None:
    finite = sampler in ("GridSampler", "BruteForceSampler")
    search = (*SEARCH, *(FINITE if finite else SPACE), ALONE, *SAMPLERS[sampler],
              f"hydra.sweeper.sampler._target_=optuna.samplers.{sampler}")  # fmt: skip
    well(harmonic_command, *search, "hydra.sweep.dir=once", "hydra.sweeper.n_trials=6")
    well(harmonic_command, *search, "hydra.sweep.dir=twice", "hydra.sweeper.n_trials=2")
    out = well(harmonic_command, *search, "hydra.sweep.dir=twice", "hydra.sweeper.n_trials=6")
    assert "2 of 6 trials are in the table already" in out
    once, twice = harmonic_command.folder / "once", harmonic_command.folder / "twice"
    pd.testing.assert_frame_equal(trials(once), trials(twice))
    for first, second in zip(results(once), results(twice), strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    if finite:
        points = trials(once)[["params_model.width", "params_optimizer.lr"]]
        assert len(points.drop_duplicates()) == 6


def test_a_finite_space_ends_the_search(harmonic_command: CommandLine) -> None:
    out = well(harmonic_command, *SEARCH, *FINITE, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=50",
               "hydra.sweeper.sampler._target_=optuna.samplers.GridSampler")  # fmt: skip
    assert "every point of the space has been tried" in out
    assert 6 <= len(load_study(harmonic_command.folder / "s").trials) <= 9  # others were in flight


def test_a_pruner_cuts_runs_short_and_changes_nothing(harmonic_command: CommandLine) -> None:
    search = (*SEARCH, *SPACE, RANDOM, "hydra.sweeper.n_trials=12", "hydra.sweeper.seeds=[0,1]")
    well(harmonic_command, *search, "hydra.sweep.dir=whole")
    well(harmonic_command, *search, "hydra.sweep.dir=pruned", *MEDIAN)
    whole, pruned = harmonic_command.folder / "whole", harmonic_command.folder / "pruned"
    (runs, curves), (cut, cut_curves) = results(whole), results(pruned)
    assert set(cut["status"]) == {"complete", "pruned"}
    complete = cut["status"] == "complete"
    pd.testing.assert_frame_equal(
        runs[complete].reset_index(drop=True), cut[complete].reset_index(drop=True), check_exact=True
    )
    assert set(cut["steps"][~complete]) <= {20, 40}
    for name, steps in zip(cut["dir"], cut["steps"], strict=True):
        all_losses, losses = (one[one["run"] == name].set_index("step") for one in (curves, cut_curves))
        assert len(losses) == steps + 1
        assert (losses["loss"][:-1] == all_losses["loss"][:steps]).all()
        seen = losses["dense_rmse"].dropna()
        assert (seen == all_losses["dense_rmse"][seen.index]).all()
    states = load_study(pruned).trials
    by_trial = cut.groupby("trial")["status"].unique()
    assert states
    assert all(list(by_trial[one.number]) == [one.state.name.lower()] for one in states)
    assert load_model(load_runs(pruned)[~complete].iloc[0]) is not None


def test_wilcoxon_prunes_over_seeds(harmonic_command: CommandLine) -> None:
    folder = harmonic_command.folder / "s"
    well(harmonic_command, *SEARCH, *SPACE, RANDOM, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=10",
         "hydra.sweeper.seeds=range(0,6)", "hydra.sweeper.pruner._target_=optuna.pruners.WilcoxonPruner",
         "+hydra.sweeper.pruner.p_threshold=0.3")  # fmt: skip
    runs, study = load_runs(folder), load_study(folder)
    assert set(runs["status"]) == {"complete"}
    counts = runs.groupby("trial")["seed"].count()
    pruned = [one.number for one in study.trials if one.state is TrialState.PRUNED]
    assert pruned
    assert len(counts)
    assert all((counts[number] < 6) == (number in pruned) for number in counts.index)


@pytest.mark.parametrize("pruner", ["SuccessiveHalvingPruner", "HyperbandPruner", "PatientPruner"])
def test_other_pruners(harmonic_command: CommandLine, pruner: str) -> None:
    wrapped = ("+hydra.sweeper.pruner.wrapped_pruner={_target_: optuna.pruners.MedianPruner, n_startup_trials: 2}",
               "+hydra.sweeper.pruner.patience=1") if pruner == "PatientPruner" else ()  # fmt: skip
    well(harmonic_command, *SEARCH, *SPACE, RANDOM, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=12",
         "hydra.sweeper.rungs=6", f"hydra.sweeper.pruner._target_=optuna.pruners.{pruner}", *wrapped)  # fmt: skip
    study = load_study(harmonic_command.folder / "s")
    steps = load_runs(harmonic_command.folder / "s").set_index("trial")["steps"]
    assert {one.state for one in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert study.trials
    assert all(max(one.intermediate_values) == steps[one.number] for one in study.trials)


def test_several_objectives_and_their_front(harmonic_command: CommandLine) -> None:
    folder = harmonic_command.folder / "s"
    out = well(harmonic_command, *SEARCH, *SPACE, "objective=[dense_rmse,sparse_rmse]", "hydra.sweep.dir=s",
               "hydra.sweeper.n_trials=12", "hydra.sweeper.prune_by=dense_rmse", *MEDIAN)  # fmt: skip
    runs, study = load_runs(folder), load_study(folder)
    front = {one.number for one in study.best_trials}
    assert f"Pareto front: {len(front)} trials" in out
    assert set(runs["trial"][runs["pareto"].fillna(False)]) == front
    assert (runs["pareto"].isna() == (runs["status"] == "pruned")).all()
    assert "pruned" in set(runs["status"])
    complete = runs[runs["status"] == "complete"]
    for row in complete.itertuples():
        beaten = ((complete["dense_rmse"] <= row.dense_rmse) & (complete["sparse_rmse"] < row.sparse_rmse)) | (
            (complete["dense_rmse"] < row.dense_rmse) & (complete["sparse_rmse"] <= row.sparse_rmse)
        )
        assert bool(row.pareto) == (not beaten.any())
    solutions = yaml.safe_load((folder / "optimization_results.yaml").read_text())["solutions"]
    assert {one["trial"] for one in solutions} == front


def test_the_results_file_and_the_command_that_repeats(harmonic_command: CommandLine) -> None:
    folder = harmonic_command.folder / "s"
    well(harmonic_command, *SEARCH, *SPACE, "model=shallow,deep", "hydra.sweep.dir=s", "hydra.sweeper.n_trials=4",
         "hydra.sweeper.seeds=[5,6]")  # fmt: skip
    found = yaml.safe_load((folder / "optimization_results.yaml").read_text())
    best = load_study(folder).best_trial
    assert (found["name"], found["best_params"], found["best_value"]) == ("optuna", best.params, best.value)
    assert found["best_dir"] == str(folder / str(best.number))
    words = found["best_repeat"].split()
    assert words[0] == "harmonic"
    well(harmonic_command, *words[1:], "hydra.sweep.dir=again")
    again = load_runs(harmonic_command.folder / "again")["valid_rmse"]
    assert again.tolist() == load_runs(folder).query(f"trial == {best.number}")["valid_rmse"].tolist()


def test_a_parameter_of_one_choice_is_searched_there_alone(harmonic_command: CommandLine) -> None:
    well(harmonic_command, *SEARCH[:2], *SMALL[:3], "optimizer=adam,adamw", "hydra.sweep.dir=s", RANDOM,
         "optimizer.weight_decay=tag(log,interval(1e-3,1))", "hydra.sweeper.n_trials=10")  # fmt: skip
    study = load_study(harmonic_command.folder / "s")
    assert {one.params["optimizer"] for one in study.trials} == {"adam", "adamw"}
    for one in study.trials:
        assert ("optimizer.weight_decay" in one.params) == (one.params["optimizer"] == "adamw")
    runs = load_runs(harmonic_command.folder / "s")
    assert (runs["optimizer.weight_decay"].notna() == (runs["optimizer._target_"] == "torch.optim.AdamW")).all()


@pytest.mark.parametrize("seeds", ["null", "[1,2]"])
def test_any_hydra_launcher_runs_it_in_batches(harmonic_command: CommandLine, seeds: str) -> None:
    search = (*SEARCH, *SPACE, RANDOM, "hydra.sweeper.n_trials=5", f"hydra.sweeper.seeds={seeds}")
    well(harmonic_command, *search, "hydra.sweep.dir=ours")
    done = harmonic_command(*search, "hydra.sweep.dir=theirs", "hydra/launcher=basic", "hydra.sweeper.n_jobs=3")
    assert done.code == 0, done.err
    pd.testing.assert_frame_equal(trials(harmonic_command.folder / "ours"), trials(harmonic_command.folder / "theirs"))
    values = [results(harmonic_command.folder / name)[0]["valid_rmse"] for name in ("ours", "theirs")]
    assert sorted(values[0]) == sorted(values[1])


def test_divergence_is_data(harmonic_command: CommandLine) -> None:
    out = well(harmonic_command, *SEARCH[:2], *SMALL[:3], "optimizer=sgd", "optimizer.lr=1e-4,1e6", "hydra.sweep.dir=s",
               "hydra.sweeper.n_trials=2", "hydra.sweeper.sampler._target_=optuna.samplers.GridSampler")  # fmt: skip
    study, runs = load_study(harmonic_command.folder / "s"), load_runs(harmonic_command.folder / "s")
    states = {one.params["optimizer.lr"]: one.state for one in study.trials}
    assert states == {1e-4: TrialState.COMPLETE, 1e6: TrialState.FAIL}
    assert dict(zip(runs["optimizer.lr"], runs["status"], strict=True)) == {1e-4: "complete", 1e6: "diverged"}
    assert "1 diverged (trials " in out


MORTAL = ("~model", "+model={_target_: helpers.Failing}", "+model.patience=choice(1000,3)", "hydra.sweep.dir=s", RANDOM)


def test_failures_are_counted_and_summed_up(harmonic_command: CommandLine) -> None:
    done = harmonic_command(*SEARCH[:2], *SMALL[:3], *MORTAL, "hydra.sweeper.n_trials=6", ALONE,
                            "hydra.sweeper.max_failure_rate=1", "hydra.sweeper.max_retries=0")  # fmt: skip
    study, runs = load_study(harmonic_command.folder / "s"), load_runs(harmonic_command.folder / "s")
    failed = [one.number for one in study.trials if one.state is TrialState.FAIL]
    assert failed
    assert runs["trial"][runs["status"] == "failed"].tolist() == failed
    assert done.code == 0
    assert f"{len(failed)} failed: RuntimeError: this module has had enough (trials " in done.out


def test_first_trials_that_fail_alike_end_the_search(harmonic_command: CommandLine) -> None:
    search = (*SEARCH[:2], *SMALL[:3], *MORTAL, "+model.patience=choice(2,3)", "hydra.sweeper.n_trials=50", ALONE)
    done = harmonic_command(*search)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert "its first 3 trials failed alike with RuntimeError: this module has had enough" in done.err
    assert len(load_study(harmonic_command.folder / "s").trials) <= 3


@pytest.mark.parametrize("retries", [0, 2])
def test_a_max_failure_rate_of_one_ends_nothing(harmonic_command: CommandLine, retries: int) -> None:
    well(harmonic_command, *SEARCH[:2], *SMALL[:3], *MORTAL, "+model.patience=choice(2,3)", "hydra.sweeper.n_trials=7",
         "hydra.sweeper.max_failure_rate=1", f"hydra.sweeper.max_retries={retries}", ALONE)  # fmt: skip
    assert load_runs(harmonic_command.folder / "s")["status"].tolist() == ["failed"] * 7


def test_max_failure_rate(harmonic_command: CommandLine) -> None:
    done = harmonic_command(*SEARCH[:2], *SMALL[:3], *MORTAL, "hydra.sweeper.n_trials=20", ALONE,
                            "hydra.sweeper.max_retries=0", "hydra.sweeper.max_failure_rate=0")  # fmt: skip
    assert done.code == 1
    assert "max_failure_rate lets 0 of the 20 trials fail; 1 have" in done.err


@pytest.mark.parametrize(
    ("override", "why", "most"),
    [
        ("hydra.sweeper.timeout=0", "the timeout of 0 s has passed", 0),
        ("hydra.sweeper.target=100", "the target 100 is reached", 1),
        ("hydra.sweeper.patience=3", "trials have brought no improvement", 40),
    ],
)
def test_ends_of_a_search(harmonic_command: CommandLine, override: str, why: str, most: int) -> None:
    out = well(harmonic_command, *SEARCH, *SPACE, ALONE, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=200", override)
    assert why in out
    study = load_study(harmonic_command.folder / "s")
    assert len(study.trials) <= most
    if "patience" in override:
        assert study.best_trial.number == len(study.trials) - 4


def test_fewer_trials_than_there_are(harmonic_command: CommandLine) -> None:
    search = (*SEARCH, *SPACE, "hydra.sweep.dir=s")
    well(harmonic_command, *search, "hydra.sweeper.n_trials=3")
    out = well(harmonic_command, *search, "hydra.sweeper.n_trials=2")
    assert "nothing to do: n_trials=2, and the study has 3 finished trials" in out


def test_fresh_seeds_confirm_the_best_and_are_no_trials(harmonic_command: CommandLine) -> None:
    search = (*SEARCH, "model.width=4,8", "hydra.sweep.dir=s", "hydra.sweeper.n_trials=2", "hydra.sweeper.seeds=0,1")
    out = well(harmonic_command, *search, "hydra.sweeper.fresh_seeds=range(10,13)")
    home = harmonic_command.folder / "s"
    runs, fresh = load_runs(home), load_runs(home / "fresh")
    assert sorted(runs["seed"]) == [0, 0, 1, 1]
    assert sorted(fresh["seed"]) == [10, 11, 12]
    best = runs.groupby("model.width")["valid_rmse"].mean().idxmin()
    assert (fresh["model.width"] == best).all()
    assert f"valid_rmse {fresh['valid_rmse'].median():.4g}" in out
    well(harmonic_command, *search, "hydra.sweeper.fresh_seeds=range(10,13)")
    assert load_runs(home / "fresh")["run"].tolist() == fresh["run"].tolist()  # nothing trained again
    refused = harmonic_command(*search, "hydra.sweeper.fresh_seeds=1,2")
    assert refused.code == 2
    assert "seeds that no trial uses; got [1]" in refused.err


def test_another_space_or_config_is_refused_with_the_difference(harmonic_command: CommandLine) -> None:
    search = (*SEARCH, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=2")
    well(harmonic_command, *search, *SPACE)
    other = "model.width=interval(2,13)"
    for arguments, difference in [
        ((other, SPACE[1]), "the range of model.width: interval(2,12) -> interval(2,13)"),
        ((*SPACE, "model=deep"), "model.depth: 1 -> 2"),
        ((*SPACE, "hydra.sweeper.seeds=[1]"), "hydra.sweeper.seeds: [] -> [1]"),
    ]:
        refused = harmonic_command(*search, *arguments)
        assert refused.code == 2
        assert difference in refused.err
        assert len(refused.err.splitlines()) == 1
    out = well(harmonic_command, *SEARCH, other, SPACE[1], "hydra.sweep.dir=s", "hydra.sweeper.n_trials=4",
               "hydra.sweeper.allow_changes=true")  # fmt: skip
    assert "changed: the range of model.width" in out
    assert len(load_runs(harmonic_command.folder / "s")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "needs at least one parameter"),
        (("model.width=interval(5,5)",), "lower end first"),
        (("model.width=interval(9,5)",), "lower end first"),
        (("model.width=interval(1.5,5)",), "whole numbers"),
        (("model.width=range(5,5)",), "must hold a value"),
        (("optimizer.lr=tag(log,interval(0,1))",), "above 0 on a log scale"),
        (("optimizer.lr=tag(log,interval(-1,1))",), "above 0 on a log scale"),
        (("model.width=interval(-5,5)",), "model.width must be a whole number >= 1"),
        (("modle.width=interval(1,5)",), "'modle.width' must be a key of the config"),
        ((*SPACE, "hydra.sweeper.sampler._target_=optuna.samplers.Foo"), "must name a class of optuna.samplers"),
        ((*SPACE, "hydra.sweeper.sampler._target_=optuna.pruners.NopPruner"), "must name a class of optuna.samplers"),
        ((*SPACE, "+hydra.sweeper.sampler.foo=1"), "hydra.sweeper.sampler.foo is not an argument of TPESampler"),
        ((*SPACE, "+hydra.sweeper.sampler.n_startup_trials=-x"), "hydra.sweeper.sampler must be one that works here"),
        ((*SPACE, "hydra.sweeper.sampler.seed=x"), "sampler.seed must be a whole number"),
        ((*SPACE, "hydra.sweeper.sampler.seed=-1"), "sampler.seed must be a whole number"),
        ((*SPACE, MEDIAN[0], "+hydra.sweeper.pruner.foo=1"), "pruner.foo is not an argument of MedianPruner"),
        ((*SPACE, "hydra.sweeper.pruner._target_=optuna.pruners.PatientPruner", "+hydra.sweeper.pruner.patience=9",
          "+hydra.sweeper.pruner.wrapped_pruner=foo"), "wrapped_pruner must be a pruner"),
        ((*SPACE, "hydra.sweeper.pruner._target_=no.such.Pruner"), "must name a class of optuna.pruners"),
        ((*SPACE, "hydra.sweeper.sampler._target_=optuna.samplers.GridSampler"), "a grid needs choices or ranges"),
        ((*SPACE, "hydra.sweeper.rungs=6"), "hydra.sweeper.rungs needs a pruner"),
        ((*SPACE, "hydra.sweeper.prune_by=dense_rmse"), "hydra.sweeper.prune_by needs a hydra.sweeper.pruner"),
        ((*SPACE, "objective=[dense_rmse,sparse_rmse]", *MEDIAN), "set hydra.sweeper.prune_by"),
        ((*SPACE, "hydra.sweeper.direction=[minimize,maximize]"), "one direction, or one for each"),
        ((*SPACE, "hydra.sweeper.direction=down"), "minimize, maximize"),
        ((*SPACE, "hydra.sweeper.n_trials=0"), "n_trials must be a whole number >= 1"),
        ((*SPACE, "hydra.sweeper.seeds=[1,1]"), "different whole numbers"),
        ((*SPACE, "hydra.sweeper.seeds=[1]", "seed=1,2"), "seeds are replicates"),
        ((*SPACE, "hydra.sweeper.storage=nowhere"), "an address of Optuna's"),
        ((*SPACE, "hydra.sweeper.storage=sqlite:////no/such/folder/study.db"), "that can be reached"),
        ((*SPACE, "hydra.sweeper.storage=mysql://u@localhost/x"), "hydra.sweeper.storage needs the package MySQLdb"),
        (("model.activation=sin,foo,tanh", RANDOM), "got 'foo'"),
        ((*SPACE, "hydra/launcher=basic", *MEDIAN), "needs hydra/launcher=harmonic"),
        ((*SPACE, "hydra.sweeper.pruner._target_=optuna.pruners.WilcoxonPruner"), "two or more seeds"),
    ],
)  # fmt: skip
def test_bad_input(harmonic_command: CommandLine, arguments: tuple[str, ...], message: str) -> None:
    refused = harmonic_command(*SEARCH, *arguments)
    assert refused.code == 2
    assert message in refused.err
    assert len(refused.err.splitlines()) == 1
    assert not list(harmonic_command.folder.rglob("*.parquet"))


def test_a_study_with_other_directions(harmonic_command: CommandLine) -> None:
    search = (*SEARCH, *SPACE, "hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=one")
    well(harmonic_command, *search, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=2")
    refused = harmonic_command(*search, "hydra.sweep.dir=t", "hydra.sweeper.direction=maximize")
    assert refused.code == 2
    assert "it has minimize, this one maximize" in refused.err


def test_a_journal_whose_end_is_cut_off_goes_on(harmonic_command: CommandLine) -> None:
    search = (*SEARCH, *SPACE, "hydra.sweep.dir=s", ALONE)
    well(harmonic_command, *search, "hydra.sweeper.n_trials=3")
    journal = harmonic_command.folder / "s" / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-7])
    out = well(harmonic_command, *search, "hydra.sweeper.n_trials=5")
    assert "the last line of" in out
    study, runs = load_study(harmonic_command.folder / "s"), load_runs(harmonic_command.folder / "s")
    assert [one.state for one in study.trials] == [TrialState.COMPLETE] * 5
    assert sorted(runs["trial"]) == list(range(5))


def test_a_journal_damaged_in_its_middle_is_left_alone(harmonic_command: CommandLine) -> None:
    search = (*SEARCH, *SPACE, "hydra.sweep.dir=s")
    well(harmonic_command, *search, "hydra.sweeper.n_trials=3")
    journal = harmonic_command.folder / "s" / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4][:5] + b"\n"
    journal.write_bytes(b"".join(lines))
    refused = harmonic_command(*search, "hydra.sweeper.n_trials=5")
    assert refused.code == 2
    assert f"a damaged line 5 of {len(lines)}" in refused.err
    assert journal.read_bytes() == b"".join(lines)


@pytest.mark.parametrize("pruner", [(), MEDIAN], ids=["whole", "pruned"])
def test_a_killed_search_goes_on(tmp_path: Path, pruner: tuple[str, ...]) -> None:
    """At random moments; the law that `tests/benchmarks/faults.py kills` tries fifty times."""
    moments = random.Random(0 if pruner else 1)
    command = (*SEARCH, *SPACE, *pruner, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=40", "hydra.sweeper.seeds=[0,1]")
    for _ in range(2):
        with Command(*command, cwd=tmp_path) as sweep:
            sweep.until((tmp_path / "s" / JOURNAL).exists)
            time.sleep(moments.uniform(0, 1))
    assert Command(*command, cwd=tmp_path).wait() == 0
    agrees(tmp_path / "s", 40, 2)


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path) -> None:
    command = (*SEARCH, *SPACE, "training.steps=2000", "hydra.sweep.dir=s", "hydra.sweeper.n_trials=5000")
    with Command(*command, cwd=tmp_path) as sweep:
        sweep.until(lambda: list(tmp_path.glob("s/3/model.safetensors")))
        sweep.send_signal(signal.SIGINT)
        _, err = sweep.communicate()
    assert sweep.returncode == 130
    finished = load_study(tmp_path / "s").get_trials(states=(TrialState.COMPLETE,))
    assert f"interrupted: {len(finished)} of 5000 trials are in the study" in err
    assert len(err.splitlines()) == 1
    assert (tmp_path / "s" / "optimization_results.yaml").is_file()


def test_two_sweeps_in_one_folder(tmp_path: Path) -> None:
    command = (*SEARCH, *SPACE, "training.steps=3000", "hydra.sweep.dir=s", "hydra.sweeper.n_trials=500")
    with Command(*command, cwd=tmp_path) as first:
        first.until((tmp_path / "s" / JOURNAL).exists)
        second = Command(*command, cwd=tmp_path)
        _, err = second.communicate()
    assert second.returncode == 2
    assert "another is at it" in err


FOREIGN = """
import hydra
from omegaconf import DictConfig

@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg: DictConfig) -> float:
    return (cfg.x - 3) ** 2

from hydra.core.config_store import ConfigStore
ConfigStore.instance().store("config", {"x": 1.0, "defaults": [{"override hydra/sweeper": "harmonic"}]})
main()
"""


def test_the_task_of_another_application(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FOREIGN)
    command = [sys.executable, "app.py", "-m", "x=interval(-10,10)", "hydra.sweeper.n_trials=12", "hydra.sweep.dir=s"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    study = load_study(tmp_path / "s")
    assert len(study.trials) == 12
    assert all(one.value == (one.params["x"] - 3) ** 2 for one in study.trials)
    found = yaml.safe_load((tmp_path / "s" / "optimization_results.yaml").read_text())
    assert found["best_value"] == study.best_value
