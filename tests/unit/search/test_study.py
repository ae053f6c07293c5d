"""The study of a search, whatever was done to it: enqueued trials, changed spaces, moved folders, edited journals."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb import storage as rdb
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

import harmonic.search.storage as storage_module
from harmonic import load_runs
from harmonic.errors import ConfigError
from harmonic.search.identity import Identity, allowed_changes, changed_at, write_identity
from harmonic.search.journal import JOURNAL, open_journal
from harmonic.search.migration import migrate_trials
from harmonic.search.space import Space
from harmonic.search.study import load_study
from harmonic.search.trial_attributes import attributes_of, parameter_values
from helpers import CommandLine
from studies import GRID, LOADER, SEARCH, SPACE, applied, trials, well

PRUNED = ("objective=[dense_rmse,sparse_rmse]", "hydra.sweeper.prune_by=dense_rmse", "training.evaluate_every=2",
          "hydra.sweeper.pruner._target_=optuna.pruners.MedianPruner")  # fmt: skip
BAD: list[tuple[dict[str, Any], str]] = [
    ({"model.width": "wide"}, "model.width=interval(2,12); got 'wide'"),
    ({"model.width": "8"}, "got '8'"),
    ({"model.width": "${oc.env:HOME}"}, "got '${oc.env:HOME}'"),
    ({"model.activation": "${oc.env:HOME}"}, "model.activation=tanh,sin; got '${oc.env:HOME}'"),
    ({"model.width": 8.5}, "got 8.5"),
    ({"model.width": True}, "got True"),
    ({"model.width": None}, "got None"),
    ({"model.width": [3]}, "got [3]"),
    ({"model.width": 13}, "got 13"),
    ({"model.width": -5}, "got -5"),
    ({"optimizer.lr": float("nan")}, "got nan"),
    ({"optimizer.lr": float("inf")}, "got inf"),
    ({"optimizer.lr": 0}, "got 0"),
    ({"model.activation": "foo"}, "got 'foo'"),
    ({"model.activation": ["tanh"]}, "got ['tanh']"),
    ({"modle.width": 4}, "parameters of the search (model.width, optimizer.lr, model.activation); got modle.width"),
    ({"model.width": 4, "seed": 3}, "got seed"),
]


def test_an_enqueued_trial_that_is_none_of_the_space_fails_with_its_reason(harmonic_command: CommandLine) -> None:
    """And the search goes on."""
    well(harmonic_command, *SEARCH, *SPACE, trials(1))
    study = load_study(harmonic_command.folder / "s")
    for params, _ in BAD:
        study.enqueue_trial(params)
    good: dict[str, Any] = {"model.width": 7, "model.activation": "sin"}
    study.enqueue_trial(good)
    study.enqueue_trial({"model.width": 8.0})
    out = well(harmonic_command, *SEARCH, *SPACE, trials(len(BAD) + 4))
    first, *others = load_study(harmonic_command.folder / "s").trials
    failed, (whole, real, last) = others[: len(BAD)], others[len(BAD) :]
    for one, (_, reason) in zip(failed, BAD, strict=True):
        assert one.state is TrialState.FAIL
        assert reason in attributes_of(one)["error"]
        assert str(attributes_of(one)["error"]) in out
    assert {one.state for one in (first, whole, real, last)} == {TrialState.COMPLETE}
    assert good.items() <= whole.params.items()
    assert real.params["model.width"] == 8
    assert sorted(load_runs(harmonic_command.folder / "s")["trial"]) == [0, *range(len(BAD) + 1, len(BAD) + 4)]


def test_a_study_that_such_a_trial_has_blocked_goes_on(harmonic_command: CommandLine) -> None:
    """It was asked, and its sweep ended with an error."""
    well(harmonic_command, *SEARCH, *SPACE, trials(1))
    study = load_study(harmonic_command.folder / "s")
    study.enqueue_trial({"model.width": "wide"})
    study.ask()
    well(harmonic_command, *SEARCH, *SPACE, trials(3))
    states = [one.state for one in load_study(harmonic_command.folder / "s").trials]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]


def test_a_trial_enqueued_for_a_group_that_lacks_its_key(harmonic_command: CommandLine) -> None:
    space = ("optimizer=adam,adamw", "optimizer.weight_decay=interval(0.1,0.2)")
    well(harmonic_command, *SEARCH, *space, trials(1))
    study = load_study(harmonic_command.folder / "s")
    study.enqueue_trial({"optimizer": "adam", "optimizer.weight_decay": 0.15})
    study.enqueue_trial({"optimizer": "adamw", "optimizer.weight_decay": 0.15})
    well(harmonic_command, *SEARCH, *space, trials(3))
    _, bad, good = load_study(harmonic_command.folder / "s").trials
    assert "optimizer.weight_decay, which is not searched under optimizer=adam" in attributes_of(bad)["error"]
    assert good.params == {"optimizer": "adamw", "optimizer.weight_decay": 0.15}


def test_a_grid_goes_on_beside_enqueued_trials(harmonic_command: CommandLine) -> None:
    well(harmonic_command, *SEARCH, *GRID, trials(1))
    study = load_study(harmonic_command.folder / "s")
    study.enqueue_trial({"model.width": 3})  # Optuna's grid wants all parameters or none
    study.enqueue_trial({"model.width": 3, "model.activation": "sin"})
    well(harmonic_command, *SEARCH, *GRID, trials(7))
    _, bad, good, *others = load_study(harmonic_command.folder / "s").trials
    assert "All parameters must be specified" in attributes_of(bad)["error"]
    assert {one.state for one in (good, *others)} == {TrialState.COMPLETE}
    assert (
        len(load_runs(Path(harmonic_command.folder / "s"))[["model.width", "model.activation"]].drop_duplicates()) == 4
    )


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.FAIL])
def test_a_trial_that_somebody_else_finished_is_left_to_him(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch, state: TrialState
) -> None:
    """Between our attribute and our tell."""
    tell, told = Study.tell, list[int]()

    def first_somebody_else(self: Study, trial: Any, *values: Any, **how: Any) -> Any:
        if not told and self.study_name == "s":
            told.append(trial.number)
            tell(self, trial.number, 0.5 if state is TrialState.COMPLETE else None, state)
        return tell(self, trial, *values, **how)

    monkeypatch.setattr(Study, "tell", first_somebody_else)
    well(harmonic_command, *SEARCH, *SPACE, trials(3))
    study = load_study(harmonic_command.folder / "s")
    assert [one.state for one in study.trials] == [state, TrialState.COMPLETE, TrialState.COMPLETE]
    assert study.trials[0].value == (0.5 if state is TrialState.COMPLETE else None)


ALLOW = "hydra.sweeper.allow_changes=true"
LR = "optimizer.lr=tag(log,interval(1e-3,1e-1))"


def test_options_may_be_shuffled(harmonic_command: CommandLine) -> None:
    """A study knows them by their place, which must stay its own."""
    for number, text in enumerate(["4,8,16", "choice(8,4,16)", "shuffle(4,8,16)", "shuffle(4,8,16)"], 1):
        well(harmonic_command, *SEARCH, LR, f"model.width={text}", trials(2 * number))
    study, runs = load_study(harmonic_command.folder / "s"), load_runs(harmonic_command.folder / "s")
    assert [one.state for one in study.trials] == [TrialState.COMPLETE] * 8
    widths = {one.number: one.params["model.width"] for one in study.trials}
    assert dict(zip(runs["trial"], runs["model.width"], strict=True)) == widths


def test_a_shuffled_grid_is_searched_once(harmonic_command: CommandLine) -> None:
    sampler = "hydra.sweeper.sampler._target_=optuna.samplers.GridSampler"
    for number, text in enumerate(["2,3,4", "4,2,3", "shuffle(2,3,4)"], 1):
        well(harmonic_command, *SEARCH, f"model.width={text}", sampler, trials(number))
    assert sorted(load_runs(harmonic_command.folder / "s")["model.width"]) == [2, 3, 4]


CHANGES = [
    ("m.a=4,8", "m.a=4,8,16", None),
    ("m.a=4,8", "m.a=8,16", 4),
    ("m.a=int(interval(4,8))", "m.a=int(tag(log,interval(4,8)))", None),
    ("m.a=tag(log,interval(4,8))", "m.a=interval(4,8)", None),
    ("m.a=int(interval(4,8))", "m.a=4,5,6,7", 8),
    ("m.a=4,8", "m.a=int(interval(2,12))", None),
    ("m.a=4,8,word", "m.a=interval(2,12)", "word"),
    ("m.a=int(interval(0,3))", "m.a=interval(0,3)", None),
    ("m.a=interval(0,3)", "m.a=int(interval(0,3))", 0.25),
    ("m.a=interval(0,3)", "m.a=tag(log,interval(1,3))", 0),
    ("m.a=1,2", "m.a=1,true_", 2),
]


@pytest.mark.parametrize(("before", "after", "lost"), CHANGES)
def test_another_space_goes_on_with_all_trials_or_is_refused(
    tmp_path: Path, before: str, after: str, lost: object
) -> None:
    """A refusal writes nothing; what goes on has all trials under their numbers, and can be drawn from."""
    old_space, space = (Space({}, [text, "m.b=interval(0,1)"], LOADER, applied) for text in (before, after))
    old_identity, identity = (Identity({"m.a": text.partition("=")[2]}, [], {"n": 0}) for text in (before, after))
    old = optuna.create_study(storage=open_journal(tmp_path / JOURNAL), study_name="s")
    write_identity(old, old_identity, changed=False)
    if lost is not None:
        old.enqueue_trial({"m.a": lost})
    for number in range(6):
        trial = old.ask()
        old_space.suggest(trial)
        trial.report(0.5, 1)
        if number < 4:
            trial.set_user_attr("harmonic", {"status": "complete", "runs": ["r"], "dir": str(number)})
            old.tell(trial, float(number))
    content = (tmp_path / JOURNAL).read_bytes()
    with pytest.raises(ConfigError, match=r"the range of m\.a: .* -> .*allow_changes=true"):
        allowed_changes(old, identity, space, allow_changes=False)
    changes, clashing = allowed_changes(old, identity, space, allow_changes=True)
    trials_before = old.trials
    assert (len(changes), clashing) == (1, ["m.a"])
    assert (tmp_path / JOURNAL).read_bytes() == content
    assert "6 trials go on" in migrate_trials(old, tmp_path, identity, space, clashing)
    assert (tmp_path / "study-6.journal").read_bytes() == content
    new = optuna.load_study(study_name="s", storage=open_journal(tmp_path / JOURNAL))
    for one, other in zip(trials_before, new.trials, strict=True):
        assert (one.number, one.values, one.datetime_start, one.intermediate_values) == (
            other.number, other.values, other.datetime_start, other.intermediate_values)  # fmt: skip
        assert one.state is other.state or (other.state is TrialState.FAIL and "m.a" not in other.params)
        assert one.params == parameter_values(other)
        assert lost is None or ("m.a" in other.params) == space.parameters[0].contains(one.params["m.a"])
    assert allowed_changes(new, identity, space, allow_changes=False) == ([], [])
    assert changed_at(new) == 6
    for _ in range(12):  # the sampler learns from those before
        trial = new.ask()
        space.suggest(trial)
        new.tell(trial, 1.0)


def test_more_options_for_a_search(harmonic_command: CommandLine) -> None:
    home = harmonic_command.folder / "s"
    search = (*SEARCH, LR, "hydra.sweeper.fresh_seeds=[7]", "hydra.sweeper.direction=maximize")
    well(harmonic_command, *search, "model.width=4,8", trials(3))
    refused = harmonic_command(*search, "model.width=4,8,16", trials(5))
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    turned = harmonic_command(*search, "model.width=4,8,16", trials(5), ALLOW, "hydra.sweeper.direction=minimize")
    assert (turned.code, len(turned.err.splitlines())) == (2, 1)
    load_study(home).enqueue_trial({"model.width": 4, "optimizer.lr": 0.05})
    out = well(harmonic_command, *search, "model.width=4,8,16", trials(5), ALLOW)
    assert "the study as it was is kept as" in out
    out = well(harmonic_command, *search, "model.width=4,8,16", trials(7))
    study, runs = load_study(home), load_runs(home).set_index("trial")
    assert [one.state for one in study.trials] == [TrialState.COMPLETE] * 7
    assert runs["model.width"].to_dict() == {one.number: one.params["model.width"] for one in study.trials}
    assert ("again: " in out) == ("not trained from fresh seeds" not in out) == (study.best_trial.number >= 4)


def test_a_range_written_otherwise_is_the_same(harmonic_command: CommandLine) -> None:
    for number, text in enumerate(["interval(2,8)", "int(interval(2.0, 8.0))"], 1):
        well(harmonic_command, *SEARCH, f"model.width={text}", trials(number))


def test_a_shared_study_keeps_its_options(harmonic_command: CommandLine) -> None:
    shared = (*SEARCH, "hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.heartbeat=60")
    well(harmonic_command, *shared, "model.width=4,8", trials(2))
    refused = harmonic_command(*shared, "model.width=4,8,16", trials(4), ALLOW)
    assert refused.code == 2
    assert "got others for model.width: choose another hydra.sweeper.study_name" in refused.err
    well(harmonic_command, *shared, "model.width=8,4", trials(4))
    assert {one.params["model.width"] for one in load_study(harmonic_command.folder / "s").trials} == {4, 8}


@pytest.mark.parametrize("pruned", [(), PRUNED])
def test_a_folder_that_was_moved_keeps_its_study(harmonic_command: CommandLine, pruned: tuple[str, ...]) -> None:
    """Whatever it is called: a journal that holds one study is its folder's."""
    well(harmonic_command, *SEARCH, *SPACE, *pruned, trials(2))
    home, moved, copied = (harmonic_command.folder / name for name in ("s", "elsewhere/t", "u"))
    shutil.copytree(home, copied)
    moved.parent.mkdir()
    home.rename(moved)
    for folder in (moved, copied):
        there = f"hydra.sweep.dir={folder.relative_to(harmonic_command.folder)}"
        assert len(load_study(folder).trials) == 2
        well(harmonic_command, *SEARCH, *SPACE, *pruned, trials(4), there)
        study = load_study(folder)
        assert [one.number for one in study.trials] == [0, 1, 2, 3]
        assert set(load_runs(folder)["trial"]) == {0, 1, 2, 3}
    named = (*SEARCH, *SPACE, *pruned, trials(2), "hydra.sweep.dir=u", "hydra.sweeper.study_name=mine")
    assert harmonic_command(*named).code == 0  # a name that is given is meant
    assert load_study(copied).study_name == "mine"
    copied.rename(harmonic_command.folder / "v")
    refused = harmonic_command(*SEARCH, *SPACE, *pruned, trials(2), "hydra.sweep.dir=v")
    assert refused.code == 2
    assert "it holds s, mine" in refused.err


def test_a_moved_folder_keeps_its_study_in_a_database(harmonic_command: CommandLine) -> None:
    shared = (*SEARCH, *SPACE, "hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.heartbeat=60")
    well(harmonic_command, *shared, trials(2))
    (harmonic_command.folder / "s").rename(harmonic_command.folder / "t")
    assert len(load_study(harmonic_command.folder / "t").trials) == 2
    for count in (3, 4):
        well(harmonic_command, *shared, trials(count), "hydra.sweep.dir=t")
        study = load_study(harmonic_command.folder / "t")
        assert (study.study_name, len(study.trials)) == ("s", count)


def test_a_database_is_found_from_any_folder(harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is the sweep's; who only looks makes no database."""
    shared = (*SEARCH, *SPACE, "hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.heartbeat=60", trials(2))
    project = harmonic_command.folder / "project"
    project.mkdir()
    harmonic_command.folder = project
    well(harmonic_command, *shared)
    other = project.parent / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert len(load_study(project / "s").trials) == 2
    recorded = project / "s" / "multirun.yaml"  # as earlier versions wrote it
    recorded.write_text(recorded.read_text().replace(f"sqlite:///{project}/study.db", "sqlite:///study.db"))
    assert "sqlite:///study.db" in recorded.read_text()
    assert len(load_study(project / "s").trials) == 2
    project.rename(project.parent / "moved")
    assert len(load_study(project.parent / "moved" / "s").trials) == 2
    (project.parent / "moved" / "study.db").unlink()
    with pytest.raises(ConfigError, match="the database of a study must be where its sweep had it"):
        load_study(project.parent / "moved" / "s")
    assert not list(project.parent.rglob("*.db"))


def test_a_lost_connection_is_taken_up_wherever_it_is_lost(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any question to the database, the first included; each time another is the one that goes wrong."""
    shared = (*SEARCH, *SPACE, *PRUNED, "hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.heartbeat=1")
    asked, fails = 0, 0
    session = rdb._create_scoped_session

    @contextmanager
    def sometimes_lost(*arguments: Any) -> Iterator[Any]:
        nonlocal asked
        asked += 1
        if asked == fails:
            lost = OperationalError("SELECT 1", {}, Exception("closed"), connection_invalidated=True)
            raise StorageInternalError("lost") from lost
        with session(*arguments) as one:
            yield one

    monkeypatch.setattr(rdb, "_create_scoped_session", sometimes_lost)
    well(harmonic_command, *shared, trials(2), "hydra.sweeper.study_name=n0")
    for number, fails in enumerate([1, 5, 30, asked // 2], 1):  # noqa: B007
        asked = 0
        name = (f"hydra.sweeper.study_name=n{number}", f"hydra.sweep.dir=s{number}")
        out = well(harmonic_command, *shared, trials(2), *name)
        assert "the connection to the study was lost" in out
        study = load_study(harmonic_command.folder / f"s{number}")
        assert [one.state for one in study.trials].count(TrialState.COMPLETE) + [
            one.state for one in study.trials
        ].count(TrialState.PRUNED) == 2


@pytest.mark.parametrize("invalidated", [True, False])
def test_what_was_lost_while_a_study_was_opened_is_no_wrong_address(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch, invalidated: bool
) -> None:
    made = RDBStorage
    failures = [OperationalError("SELECT 1", {}, Exception("closed"), connection_invalidated=invalidated)]

    def storage(*arguments: Any, **how: Any) -> Any:
        if failures:
            raise failures.pop()
        return made(*arguments, **how)

    monkeypatch.setattr(storage_module, "RDBStorage", storage)
    monkeypatch.setattr(storage_module, "TABLE_STEPS", ())
    shared = (*SEARCH, *SPACE, "hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.heartbeat=60")
    done = harmonic_command(*shared, trials(2))
    assert done.code == (0 if invalidated else 2)
    assert ("was lost" in done.out) == invalidated
    assert ("must be a storage of Optuna's that can be reached" in done.err) != invalidated
    if invalidated:
        failures.append(OperationalError("SELECT 1", {}, Exception("closed"), connection_invalidated=True))
        assert len(load_study(harmonic_command.folder / "s").trials) == 2
