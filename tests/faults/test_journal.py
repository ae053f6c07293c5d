"""A journal that was edited, damaged or taken away: the search goes on, or a line says which record it was."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from harmonic import load_runs
from harmonic.errors import HarmonicError, StorageLost
from harmonic.search.journal import JOURNAL, open_journal
from harmonic.search.printed_results import failure_causes
from harmonic.search.results import write_results
from harmonic.search.study import load_study
from harmonic.search.trial_attributes import attributes_of, count_finished_and_running
from helpers import command_here

CASES = int(os.environ.get("HARMONIC_FUZZ", "250"))
fuzz = settings(suppress_health_check=list(HealthCheck))
COMMAND = ("-m", "training.steps=2", "training.evaluate_every=1", "data.points=4", "region.mass=0.5", "figures=false",
           "hydra/sweeper=harmonic", "model.width=range(1,4)", "model.activation=sin,tanh", "hydra.sweep.dir=s",
           "hydra.sweeper.n_trials=6", "hydra.launcher.executor.workers=1",
           "hydra.sweeper.pruner._target_=optuna.pruners.MedianPruner")  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 12), st.floats(), st.text(max_size=3),
    st.sampled_from([10**30, -1, 1e308, "${oc.env:HOME}", "2020-01-01", "\ud800", "\0", "s", "COMPLETE", "../x"]),
)  # fmt: skip
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.text(max_size=3), SCALARS, max_size=2))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of three trials, of which a fourth was running when it died, and a fifth is enqueued."""
    folder = tmp_path_factory.mktemp("whole")
    with chdir(folder):
        done = command_here(*COMMAND, "hydra.sweeper.n_trials=3")
    assert done.code == 0, done
    study = load_study(folder / "s")
    study.ask()
    study.enqueue_trial({"model.width": 2})
    return folder / "s"


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all that is in a record."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(one for key, below in inside for one in places(below, (*path, key)))]


def changed(records: Sequence[Any], chance: random.Random, value: Any) -> list[Any]:
    """The records, one of which is another, is gone, is there twice, or is elsewhere."""
    new: list[Any] = json.loads(json.dumps(records))
    line = chance.randrange(len(new))
    kind = chance.choice(["set", "set", "set", "set", "drop", "gone", "twice", "swap"])
    if kind == "gone":
        del new[line]
    elif kind == "twice":
        new.insert(line, new[line])
    elif kind == "swap":
        other = chance.randrange(len(new))
        new[line], new[other] = new[other], new[line]
    else:
        *above, key = chance.choice(places(new[line])[1:])
        node = new[line]
        for one in above:
            node = node[one]
        if kind == "set":
            node[key] = value
        else:
            del node[key]
    return new


def rewrite(home: Path, seed: int, values: Sequence[Any]) -> None:
    records = [json.loads(line) for line in (home / JOURNAL).read_text().splitlines()]
    chance = random.Random(seed)
    for value in values:
        records = changed(records, chance, value)
    (home / JOURNAL).write_text("".join(json.dumps(one) + "\n" for one in records))


@settings(fuzz, max_examples=CASES // 2)
@given(st.integers(0, 2**32), st.lists(VALUES, min_size=1, max_size=2))
def test_any_journal_is_read_or_refused_in_a_line(whole: Path, seed: int, values: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        home = Path(place) / "s"
        shutil.copytree(whole, home)
        rewrite(home, seed, values)
        refused = None
        try:
            study = load_study(home)
            write_results(study, home, ["valid_rmse"], lambda _: None)
            failure_causes(study)
            count_finished_and_running(study)
        except HarmonicError as error:
            refused = str(error)
        assert refused is None or ("line " in refused or "study" in refused)
        assert refused is None or len(refused.splitlines()) == 1


@settings(fuzz, max_examples=max(10, CASES // 20))
@given(st.integers(0, 2**32), st.lists(VALUES, min_size=1, max_size=2))
def test_any_journal_goes_on_or_is_refused_in_a_line(whole: Path, seed: int, values: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as place, chdir(place), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shutil.copytree(whole, "s")
        rewrite(Path("s"), seed, values)
        done = command_here(*COMMAND)
        assert done.code in (0, 1, 2), done
        assert "Traceback" not in done.err, done
        assert all(line.startswith("harmonic: ") for line in done.err.splitlines()), done
        assert len(load_runs("s")) >= 3


ODD: list[tuple[Mapping[str, Any] | str, str]] = [
    ({"op_code": 99, "worker_id": "w"}, "op_code 99"),
    ({"op_code": True, "worker_id": "w"}, "op_code True"),
    ({"worker_id": "w"}, "op_code None"),
    ({"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"harmonic": 5}}, "user_attr"),
    ({"op_code": 8, "worker_id": "w", "trial_id": 3, "user_attr": {"harmonic": "text"}}, "user_attr"),
    ({"op_code": 8, "worker_id": "w", "trial_id": 3, "user_attr": {"harmonic": {"runs": 7}}}, "user_attr"),
    ({"op_code": 9, "worker_id": "w", "trial_id": 4, "system_attr": {"fixed_params": [1]}}, "system_attr"),
    ({"op_code": 9, "worker_id": "w", "trial_id": 3, "system_attr": {"constraints": "no"}}, "system_attr"),
    ({"op_code": 9, "worker_id": "w", "trial_id": 3, "system_attr": {"retry_history": [[]]}}, "system_attr"),
    ({"op_code": 6, "worker_id": "w", "trial_id": 3, "state": 1, "values": ["a"]}, "values"),
    ({"op_code": 6, "worker_id": "w", "trial_id": 3, "state": 1, "values": [1.0]}, "datetime_complete"),
    ({"op_code": 6, "worker_id": "w", "trial_id": 3, "state": 1, "values": [1.0, 2.0],
      "datetime_complete": "2020-01-01"}, "trial 3 without its values"),
    ({"op_code": 5, "worker_id": "w", "trial_id": 3, "param_name": "model.width", "param_value_internal": 1,
      "distribution": "{}"}, "KeyError"),
    ({"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "yesterday"}, "ValueError"),
    ("[" * 100_000 + "]" * 100_000, "RecursionError"),
    ("7", "no record"),
    ("1" * 5000, "ValueError"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "fault"), ODD, ids=[fault for _, fault in ODD])
def test_an_odd_record_is_named_with_its_line(whole: Path, tmp_path: Path, record: Any, fault: str) -> None:
    journal = tmp_path / JOURNAL
    lines = (whole / JOURNAL).read_text().splitlines()
    text = record if isinstance(record, str) else json.dumps(record)
    journal.write_text("\n".join([*lines, text, '{"op_code":10,"worker_id":"w"}']) + "\n")
    with pytest.raises(HarmonicError) as refused:
        open_journal(journal)
    assert f"the journal '{journal}'" in str(refused.value)
    assert f"line {len(lines) + 1} " in str(refused.value)
    assert fault in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("happens", ["removed", "replaced", "cut short"])
def test_a_journal_that_is_taken_away_during_a_search(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happens: str
) -> None:
    """A line, and no new file in its place; once it is back the same command goes on."""
    shutil.copytree(whole, tmp_path / "s")
    monkeypatch.chdir(tmp_path)
    journal, away, told = tmp_path / "s" / JOURNAL, tmp_path / "away", list[int]()
    tell = optuna.study.Study.tell

    def then_it_happens(study: Any, trial: Any, *values: Any, **how: Any) -> Any:
        one = tell(study, trial, *values, **how)
        if study.study_name == "s":
            told.append(one.number)
            if len(told) == 2:
                shutil.copy(journal, away)
                if happens == "cut short":
                    journal.write_bytes(journal.read_bytes()[:-100])
                elif happens == "removed":
                    journal.unlink()
                else:
                    shutil.copy(journal, tmp_path / "new")
                    (tmp_path / "new").replace(journal)
        return one

    with monkeypatch.context() as patch:
        patch.setattr(optuna.study.Study, "tell", then_it_happens)
        done = command_here(*COMMAND)
    assert done.code == 1
    assert done.err.startswith(f"harmonic: the journal '{journal}' must stay while a sweep is at it; it was {happens}")
    assert len(done.err.splitlines()) == 1
    assert journal.exists() == (happens != "removed")
    shutil.copy(away, journal)
    assert command_here(*COMMAND).code == 0
    study = load_study(tmp_path / "s")
    assert len(study.trials) == 6
    assert {one.state for one in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert sorted(load_runs(tmp_path / "s")["run"]) == sorted(
        run for one in study.trials for run in attributes_of(one)["runs"]
    )


def test_a_journal_is_not_made_where_it_was_removed(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_journal(tmp_path / JOURNAL))
    (tmp_path / JOURNAL).unlink()
    with pytest.raises(StorageLost, match="it was removed"):
        study.ask()
    assert not (tmp_path / JOURNAL).exists()
