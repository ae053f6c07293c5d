"""The command line: what it prints, leaves behind, refuses, and repeats."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

import harmonic
from harmonic import load_curves, load_model, load_runs
from harmonic._compat.hydra import VERSION
from harmonic.config.compose import compose, config_root
from harmonic.results.columns import leaves
from helpers import CommandLine, files

SMALL = ("training.steps=150", "data.points=40")
FOREIGN = "~model"


def test_a_single_run(harmonic_command: CommandLine) -> None:
    done = harmonic_command("seed=3", *SMALL)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["0", "100"]
    (folder,) = (harmonic_command.folder / "outputs" / "run").iterdir()
    assert lines[2].startswith("final loss ")
    assert lines[2].endswith(f"| outputs/run/{folder.name}")
    run = load_runs(folder).iloc[0]
    (environment,) = (folder / "table").glob("environment-*.json")
    assert json.loads(environment.read_text())["harmonic"] == run["version"]
    assert files(folder) == [
        ".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml", "curve.png", "data.png", "fit.png",
        "harmonic.log", "model.safetensors", f"table/curves-{run['run']}.parquet",
        f"table/{environment.name}", f"table/runs-{run['run']}.parquet",
    ]  # fmt: skip
    curve = load_curves(folder)
    assert f"100 {curve['loss'][100]:.6g}" in lines
    assert curve["loss"].iloc[-1] == run["final_loss"]
    assert (run["seed"], run["status"], run["steps"], run["training.steps"]) == (3, "complete", 150, 150)
    assert run["gap"] == run["sparse_rmse"] / run["dense_rmse"]
    assert curve.dropna()[["dense_rmse", "sparse_rmse"]].iloc[-1].tolist() == [
        run["dense_rmse"],
        run["sparse_rmse"],
    ]
    assert sum(parameter.numel() for parameter in load_model(run).parameters()) == 201
    assert "final loss" in (folder / "harmonic.log").read_text()


def test_a_grid(harmonic_command: CommandLine) -> None:
    done = harmonic_command("-m", "model=shallow,deep", "optimizer=sgd,adam", "seed=range(0,2)", *SMALL)
    assert done.code == 0
    runs = load_runs(harmonic_command.folder / "outputs")
    assert runs["trial"].tolist() == list(range(8))
    assert runs["status"].eq("complete").all()
    assert not list(harmonic_command.folder.rglob("*.png"))
    described = runs.groupby(["model.depth", "optimizer._target_"])[["dense_rmse", "sparse_rmse"]].describe()
    assert described.shape == (4, 16)
    (sweep,) = (harmonic_command.folder / "outputs" / "multirun").iterdir()
    assert set(runs["sweep"]) == {sweep.name}
    assert [Path(folder).name for folder in runs["dir"]] == list("01234567")


def test_a_run_of_a_grid_is_the_single_run(harmonic_command: CommandLine) -> None:
    harmonic_command("-m", "seed=1,2", "optimizer=adam", *SMALL)
    harmonic_command("seed=2", "optimizer=adam", "figures=false", *SMALL)
    runs = load_runs(harmonic_command.folder / "outputs").query("seed == 2")
    columns = ["final_loss", "valid_rmse", "dense_rmse", "sparse_rmse"]
    assert len(runs) == 2
    assert runs[columns].nunique().eq(1).all()


def test_a_named_sweep_goes_on_where_it_was(harmonic_command: CommandLine) -> None:
    assert harmonic_command("-cn", "post", "seed=0,1", *SMALL).code == 0
    first = load_runs(harmonic_command.folder / "outputs" / "post")
    assert len(first) == 6
    assert harmonic_command("-cn", "post", "seed=0,1", *SMALL).code == 0
    assert load_runs(harmonic_command.folder / "outputs" / "post").equals(first)
    refused = harmonic_command("-cn", "post", "seed=0,1", "training.steps=7", "data.points=40")
    assert refused.code == 2
    assert "training.steps=150, this one training.steps=7" in refused.err
    assert load_runs(harmonic_command.folder / "outputs" / "post").equals(first)


def test_a_failing_run_leaves_the_others_alone(harmonic_command: CommandLine) -> None:
    done = harmonic_command("-m", FOREIGN, "+model={_target_: helpers.Failing}", "+model.patience=0,500,3", *SMALL)
    assert done.code == 1
    assert "RuntimeError: this module has had enough" in done.err
    assert "Traceback" not in done.err
    runs = load_runs(harmonic_command.folder / "outputs")
    assert runs["status"].tolist() == ["failed", "complete", "failed"]
    assert runs["error"].tolist()[::2] == ["RuntimeError: this module has had enough"] * 2
    assert np.isfinite(runs["final_loss"][1])


def test_figures_in_a_multirun_on_request(harmonic_command: CommandLine) -> None:
    harmonic_command("-m", "seed=1,2", "figures=true", *SMALL)
    assert len(list(harmonic_command.folder.rglob("*.png"))) == 6


def test_divergence_is_data(harmonic_command: CommandLine) -> None:
    done = harmonic_command("optimizer.lr=1e6", *SMALL)
    assert (done.code, done.err) == (0, "")
    assert "diverged: the loss before step " in done.out
    run = load_runs(harmonic_command.folder / "outputs").iloc[0]
    assert run["status"] == "diverged"
    assert run["error"] == f"the loss before step {run['steps']} is not finite"
    assert load_curves(harmonic_command.folder / "outputs")["step"].tolist() == list(range(run["steps"]))


BAD = [
    "model.width=0", "model.width=fifty", "model.depth=0", "model.activation=foo", "optimizer.lr=-1",
    "optimizer.lr=nan", "optimizer=adamm", "modle.width=3", "training.steps=0", "training.engine=foo",
    "data.points=1", "data.noise=-1", "region.mass=1.5", "seed=-1", "objective=foo", "model.widht=3",
    "+optimizer.foo=3", "optimizer._target_=torch.optim.Foo", "hydra.run.dir=taken/here", "model=null",
    "seed=range(0,", "region.mass=0.99999", "model.width=99999999999999999999", "+optimizer.foo=-99999999999999999999",
    "optimizer.lr=99999999999999999999", "data.points=99999999999999999999", "training.steps=99999999999999999999",
    "model.width=99999999999", "model.depth=99999999",
]  # fmt: skip


@pytest.mark.parametrize("override", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(harmonic_command: CommandLine, override: str) -> None:
    (harmonic_command.folder / "taken").touch()
    refused = harmonic_command(override)
    assert refused.code == 2
    assert refused.out == ""
    assert len(refused.err.splitlines()) == 1
    assert refused.err.startswith("harmonic: ")
    assert files(harmonic_command.folder) == ["taken"]
    assert "Config search path" not in refused.err


@pytest.mark.parametrize("text", ["modle: {width: 3}", "model: {widht: 3}", "training: {step: 3}"])
def test_a_misspelt_key_in_a_sweep_file_is_refused(harmonic_command: CommandLine, text: str) -> None:
    (harmonic_command.folder / "mine.yaml").write_text(
        f"defaults: [config, _self_]\n{text}\nhydra: {{mode: MULTIRUN, sweeper: {{params: {{seed: '1,2'}}}}}}\n"
    )
    refused = harmonic_command("-cd", ".", "-cn", "mine")
    assert refused.code == 2
    word = text.partition(":")[0] if "modle" in text else text.split("{")[1].partition(":")[0]
    assert word in refused.err.splitlines()[-1]
    assert not list(harmonic_command.folder.rglob("*.parquet"))


def test_two_runs_in_one_second_have_their_own_folders(harmonic_command: CommandLine) -> None:
    for _ in range(2):
        harmonic_command("figures=false", "training.steps=1")
    assert len(load_runs(harmonic_command.folder / "outputs")["dir"].unique()) == 2


def test_a_bug_of_ours_keeps_its_traceback(harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("harmonic.run.execute", broken)
    with pytest.raises(ValueError, match="a bug"):
        harmonic_command("figures=false", *SMALL)


def test_the_console_script_in_an_empty_folder(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("harmonic")
    environment = {**os.environ, "PYTHONWARNINGS": "error::UserWarning"}
    done = subprocess.run(
        [script, "training.steps=3", "figures=false"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(load_runs(tmp_path / "outputs")) == 1


def test_importing_harmonic_is_cheap() -> None:
    heavy = "torch", "pandas", "matplotlib", "optuna", "numba", "hydra"
    code = f"import sys, harmonic; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_training_begins_without_what_it_does_not_need(tmp_path: Path) -> None:
    heavy = "pandas", "matplotlib", "optuna", "torch._dynamo"
    code = (
        "import sys; from harmonic.cli import application; from harmonic.execution import console, progress;"
        "sys.argv[1:] = ['training.steps=2', 'figures=false'];"
        f"console.run_summary = lambda row: str(loaded); loaded = [];"
        f"progress.RunProgress.__call__ = lambda *_: loaded.extend(n for n in {heavy} if n in sys.modules);"
        "application.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


SWEEPS = sorted(file.stem for file in (config_root() / "sweeps").glob("*.yaml"))
EXPERIMENTS = sorted(file.stem for file in (config_root() / "conf" / "experiment").glob("*.yaml"))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("sweep", SWEEPS)
def test_an_experiment_goes_before_a_sweep_file(harmonic_command: CommandLine, sweep: str, experiment: str) -> None:
    """The runs of a sweep are those of the experiment, but for what the sweep searches and the file's own values."""
    alone, beside = compose([f"+experiment={experiment}"]), compose([f"+experiment={experiment}"], sweep)
    assert (beside.model, beside.optimizer) == (alone.model, alone.optimizer)
    assert beside.training.steps == alone.training.steps
    shown = harmonic_command("-cn", sweep, f"+experiment={experiment}", "data.points=30", "--cfg", "job")
    assert OmegaConf.create(shown.out).optimizer == alone.optimizer


@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_sweep_trains_what_cfg_job_shows(harmonic_command: CommandLine, sweep: str) -> None:
    """But for what it searches: a key, or all of a group's."""
    sweeper = OmegaConf.load(config_root() / "sweeps" / f"{sweep}.yaml").hydra.sweeper
    searched = {key.lstrip("+") for key in sweeper.params}
    few = ["hydra.sweeper.n_trials=1", "hydra.sweeper.seeds=[0]"] if sweep != "post" else []
    few += ["hydra.sweeper.fresh_seeds=[1]"] if "fresh_seeds" in sweeper else []
    arguments = ["-cn", sweep, "+experiment=post_sgd", "training.steps=2", "data.points=30", *few]
    assert harmonic_command(*arguments).code == 0
    composed: Any = OmegaConf.to_container(OmegaConf.create(harmonic_command(*arguments, "--cfg", "job").out))
    shown = {key: value for key, value in leaves(composed).items() if key not in ("figures", "objective")}
    runs = load_runs(harmonic_command.folder / "outputs" / sweep)
    same = [key for key in shown if key not in searched and key.partition(".")[0] not in searched]
    assert len(same) >= 7
    for key in same:
        assert runs[key].isna().all() if shown[key] is None else runs[key].eq(shown[key]).all(), key


OWN = "defaults: [config, {override optimizer: adam}, {override hydra/sweeper: %s}, _self_]\nhydra: {mode: MULTIRUN}\n"


@pytest.mark.parametrize("choice", ["+experiment=post_sgd", "+experiment=post_adam,post_sgd", "+experiment=below"])
def test_a_sweep_file_that_goes_before_an_experiment_is_told(harmonic_command: CommandLine, choice: str) -> None:
    (harmonic_command.folder / "mine.yaml").write_text(OWN % "grid")
    (harmonic_command.folder / "experiment").mkdir()
    (harmonic_command.folder / "experiment" / "below.yaml").write_text("# @package _global_\ndefaults: [post_sgd]\n")
    arguments = ["-cd", ".", "-cn", "mine", choice, "seed=0,1", *SMALL]
    if VERSION >= (1, 4):  # there the experiment goes first
        assert harmonic_command(*arguments).code == 0
        trained = load_runs(harmonic_command.folder / "outputs")["optimizer._target_"]
        assert sorted(trained) == ["torch.optim.Adam"] * 2 * ("adam" in choice) + ["torch.optim.SGD"] * 2
        return
    refused = harmonic_command(*arguments)
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "must be able to choose optimizer=sgd, but 'override optimizer' in 'mine' goes first" in refused.err
    assert not list(harmonic_command.folder.rglob("*.parquet"))
    assert harmonic_command(*arguments, "optimizer=sgd").code == 0
    assert set(load_runs(harmonic_command.folder / "outputs")["optimizer._target_"]) == {"torch.optim.SGD"}


def test_the_same_choice_twice_is_no_conflict(harmonic_command: CommandLine) -> None:
    (harmonic_command.folder / "mine.yaml").write_text(OWN % "grid")
    done = harmonic_command("-cd", ".", "-cn", "mine", "+experiment=post_adam", "seed=0,1", *SMALL)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("group", ["experiment", "hparams_search"])
def test_an_experiment_may_choose_sweeper_and_launcher(harmonic_command: CommandLine, group: str) -> None:
    (harmonic_command.folder / group).mkdir()
    (harmonic_command.folder / group / "mine.yaml").write_text(
        "# @package _global_\n"
        "defaults: [override /hydra/sweeper: harmonic, override /hydra/launcher: basic]\n"
        "hydra: {mode: MULTIRUN, sweeper: {n_trials: 2, params: {model.width: 'interval(4,8)'}}}\n"
    )
    # from 1.4 on Hydra takes the mode from the primary config or the command line alone, and says so
    mode = ["hydra.mode=MULTIRUN"] if VERSION >= (1, 4) else []
    done = harmonic_command("-cd", ".", f"+{group}=mine", *mode, *SMALL)
    assert done.code == 0
    assert "2 of 2 trials" in done.out  # the search,
    assert "\n#1 final loss " in f"\n{done.out}"  # in jobs of Hydra's own launcher
    if VERSION >= (1, 4):
        return
    (harmonic_command.folder / "own.yaml").write_text(OWN % "grid")
    refused = harmonic_command("-cd", ".", "-cn", "own", f"+{group}=mine", *SMALL)
    assert "must be able to choose hydra/sweeper=harmonic, but 'override hydra/sweeper' in 'own'" in refused.err


@pytest.mark.parametrize("chosen", ["override /hydra/launcher: basic", "override /hydra/launcher/executor: processes"])
def test_one_job_cannot_choose_what_the_sweep_has_chosen(harmonic_command: CommandLine, chosen: str) -> None:
    (harmonic_command.folder / "experiment").mkdir()
    (harmonic_command.folder / "experiment" / "a.yaml").write_text(f"# @package _global_\ndefaults: [{chosen}]\n")
    refused = harmonic_command("-cd", ".", "-m", "+experiment=post_sgd,a", *SMALL)
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    if VERSION >= (1, 4):  # Hydra's own
        assert "before the sweep starts, but a swept job config changed it" in refused.err
    else:
        assert "hydra.launcher must be one for all jobs of a sweep; job 1 has another (+experiment=a" in refused.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model.widht=3"], "'model.widht' must be a key of the config; model has width, depth, activation, seed "
                            "(+model.widht=... adds one); did you mean width?"),
        (["-m", "model.widht=3,4"], "did you mean width?"),
        (["-m", "hydra/sweeper=harmonic", "model.widht=3,4"], "did you mean width?"),
        (["+model.widht=3"], "did you mean width?"),
        (["modle.width=3"], "did you mean model?"),
        (["+trainig.steps=3"], "did you mean training?"),
        (["training.step=3"], "training has steps, engine, device, evaluate_every; did you mean steps?"),
        (["model.width.x=3"], "model.width is a value, and has no keys"),
        (["-cn", "width_lr", "hydra.sweeper.n_trails=3"], "did you mean n_trials?"),
        (["hydra.sweep.dri=x"], "hydra.sweep has dir, subdir; did you mean dir?"),
        (["optimiser=adam"], "did you mean optimizer?"),
        (["optimizer=adamm"], "did you mean adam or adamw?"),
        (["+experimnt=post_sgd"], "did you mean experiment?"),
        (["+experiment=post_sdg"], "did you mean post_sgd"),
        (["hydra/sweper=harmonic"], "did you mean hydra/sweeper"),
        (["hydra/launcher/executor=dsk"], "did you mean dask?"),
        (["-cn", "nope"], "must be one of the sweeps extrapolation, optimizers, pareto, post, pruned, smoke, width_lr"),
        (["-cn", "width_rl"], "did you mean width_lr?"),
        (["-m", "model.width=interval(8,128)"], "a grid takes a,b,c or range(a,b,step) for 'model.width'; got "
                                                "interval(8,128): add hydra/sweeper=harmonic to search it"),
    ],
)  # fmt: skip
def test_what_is_misspelt_is_told_what_was_meant(
    harmonic_command: CommandLine, arguments: list[str], said: str
) -> None:
    refused = harmonic_command(*arguments)
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert said in refused.err


def test_sweeps_of_a_folder_of_ones_own_are_listed(harmonic_command: CommandLine) -> None:
    (harmonic_command.folder / "minimal.yaml").write_text("defaults: [config, _self_]\n")
    assert "did you mean minimal?" in harmonic_command("-cd", ".", "-cn", "minimum").err


@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1")])
@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("hydra.job.name=a/b", "hydra.job.name must be a file's name without folders; got 'a/b'"),
        ("hydra.hydra_logging.root.level=FOO", "must be such that Python's logging takes them; got ValueError"),
        ("hydra.verbose=3", "hydra.verbose must be such that Python's logging takes them"),
        ("hydra.hydra_logging.handlers=3", "got TypeError(\"'int' object is not iterable\")"),
    ],
)
def test_a_bad_logging_config_is_a_line(
    harmonic_command: CommandLine, override: str, said: str, sweep: tuple[str, ...]
) -> None:
    refused = harmonic_command(*sweep, override, *SMALL)
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert said in refused.err
    assert files(harmonic_command.folder) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the log that was open by then
@pytest.mark.parametrize(
    "override", ["hydra.job_logging.root.level=FOO", "hydra.job_logging.handlers.file.class=no.such.Handler"]
)
def test_a_bad_logging_config_of_a_run_is_a_line(harmonic_command: CommandLine, override: str) -> None:
    refused = harmonic_command(override, *SMALL)
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "must be such that Python's logging takes them; got ValueError" in refused.err
    gc.collect()


def test_its_version_is_harmonics(harmonic_command: CommandLine) -> None:
    done = harmonic_command("--version")
    assert (done.code, done.out) == (0, f"harmonic {harmonic.__version__}\n")


@pytest.mark.parametrize(("module", "says"), [("harmonic", "harmonic "), ("harmonic.reports", "harmonic-report ")])
def test_the_packages_are_the_commands(module: str, says: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{says}{harmonic.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hydra.sweep.dir=x"], "'hydra.sweep.dir' is of a sweep, and this is a single run, whose folder"),
        (["hydra.sweep.subdir=x"], "'hydra.sweep.subdir' is of a sweep"),
        (["-m", "seed=0,1", "hydra.run.dir=x"], "'hydra.run.dir' is of a single run, and this is a sweep, whose"),
        (["hydra/sweeper=harmonic", "model.width=3"], "'hydra/sweeper' is of a sweep, and this is a single run"),
        (["hydra/launcher/executor=dask"], "'hydra/launcher/executor' is of a sweep"),
        (["hydra.launcher.executor.workers=1"], "'hydra.launcher.executor.workers' is of a sweep"),
        (["hydra.sweeper.max_batch_size=1"], "'hydra.sweeper.max_batch_size' is of a sweep"),
        (["hydra.runtime.cwd=/x"], "'hydra.runtime.cwd' is Hydra's own to set"),
        (["-m", "seed=0,1", "hydra.job.override_dirname=x"], "is Hydra's own to set"),
        (["-m", "seed=0,1", "hydra.job.num=7"], "'hydra.job.num' is Hydra's own to set"),
    ],
)  # fmt: skip
def test_what_would_change_nothing_is_refused(harmonic_command: CommandLine, arguments: list[str], said: str) -> None:
    refused = harmonic_command(*arguments, *SMALL)
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert said in refused.err
    assert files(harmonic_command.folder) == []


def test_what_chooses_by_itself_is_left_alone(harmonic_command: CommandLine) -> None:
    """Both folders may be named, of which one counts; an experiment may name the launcher of its sweeps."""
    both = ["hydra.sweep.dir=s", "hydra.run.dir=r", "figures=false", *SMALL]
    assert harmonic_command(*both).code == 0
    assert harmonic_command("-m", "seed=0,1", *both).code == 0
    assert len(load_runs(harmonic_command.folder)) == 3
    each = ["hydra.sweep.subdir=t${hydra.job.num}", "hydra.job.name=t${hydra.job.num}", "hydra.sweep.dir=each"]
    done = harmonic_command("-m", "seed=0,1", *each, *SMALL)
    assert (done.code, done.err) == (0, "")
    (harmonic_command.folder / "experiment").mkdir()
    (harmonic_command.folder / "experiment" / "a.yaml").write_text(
        "# @package _global_\ndefaults: [override /hydra/launcher/executor: processes]\n"
    )
    assert harmonic_command("-cd", ".", "+experiment=a", *both[1:]).code == 0


def test_a_mapping_that_is_there_is_not_called_misspelt(harmonic_command: CommandLine) -> None:
    refused = harmonic_command("hydra.job.env_set={FOO: bar}")
    assert "did you mean" not in refused.err
    assert "(+hydra.job.env_set.FOO=... adds one)" in harmonic_command("hydra.job.env_set.FOO=bar").err
