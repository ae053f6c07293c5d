"""Any override, and any damage on disk: an answer or a line that says what is wrong, and no row is lost.

`HARMONIC_FUZZ=5000 pytest tests/laws/test_fuzz.py` tries 5000 cases of each kind instead of a few.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, suppress
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from conftest import NEW_EXAMPLES
from harmonic import load_model, load_runs
from harmonic.errors import HarmonicError
from harmonic.reports.report_data import gather
from harmonic.results import tables
from harmonic.search.study import load_study
from helpers import command_here

CASES = int(os.environ.get("HARMONIC_FUZZ", "250"))
PARTS = 10  # of each law, which pytest's workers share
fuzz = settings(max_examples=CASES // PARTS, suppress_health_check=list(HealthCheck))
GOES_ON = 0.1  # of the damaged folders: the command that made them, once more
TINY = ("training.steps=2", "training.evaluate_every=2", "data.points=4", "region.mass=0.5", "figures=false")

# What is a key, what a value is made of, and what joins them: some of it right, some nearly, some not at all.
KEYS = st.sampled_from(
    ["seed", "model", "model.width", "model.depth", "model.activation", "model.seed", "model._target_", "optimizer",
     "optimizer.lr", "optimizer._target_", "optimizer.betas", "optimizer.momentum", "training", "training.engine",
     "training.evaluate_every", "training.device", "region", "region.mass", "objective", "figures", "data",
     "data.noise", "data.scale", "data.seed", "data._target_", "+experiment", "+foo", "+model.foo", "~model", "~seed",
     "hydra/launcher", "hydra/sweeper", "hydra/launcher/executor", "hydra.launcher.executor.workers",
     "hydra.sweep.subdir", "hydra.job.name", "hydra.sweeper.n_trials", "hydra.sweeper.seeds", "hydra.sweeper.params",
     "hydra.mode", "hydra.verbose", "modle", "", " ", "+", "~", "@", "a@b", "a/b", "hydra", "hydra.", ".", "seed.x"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["1", "0", "-1", "3", "2.5", "1e-3", "1e400", "nan", "inf", "true", "null", "None", "''", '""', "sin", "deep",
     "shallow", "adam", "sgd", "torch", "native", "auto", "cpu", "cuda", "grid", "harmonic", "basic", "threads",
     "post_deep", "[1,2]", "[]", "{}", "{a:1}", "{_target_: os.system}", "[1,[2]]", "1,2", "sin,tanh", "range(1,3)",
     "range(3,1)", "range(0,2,0)", "interval(1,3)", "interval(3,1)", "choice(1,2)", "choice()", "glob(*)",
     "tag(log,interval(1e-3,1))", "shuffle(1,2)", "sort(2,1)", "${seed}", "${model.width}", "${nowhere}", "${seed",
     "${oc.env:HOME}", "${hydra:job.num}", "???", "torch.optim.Adam", "torch.optim.LBFGS", "torch.nn.Linear",
     "os.system", "no.such.Class", "harmonic.data.Harmonic", "../x", "/", "\\", "\\,", "a b", "'a, b'", "é", "\x00",
     "\n", "=", "==", ",", ",,", "(", ")", "((", "[", "]", "{", "}", ":", "%s", "{}{}", "<b>", "-", "--", "valid_rmse",
     "final_loss,gap", "[dense_rmse,sparse_rmse]", "99999999999999999999", "0x10", "1_000", "🦊"]
)  # fmt: skip
SOUND = st.sampled_from(
    ["seed=3", "seed=0,1", "seed=range(0,2)", "model=deep", "model=shallow,deep", "model.width=2", "model.width=2,3",
     "model.depth=1", "model.activation=sin,tanh", "model.seed=4", "optimizer=adam", "optimizer=adam,sgd",
     "optimizer.lr=1e-3", "optimizer.lr=1e-3,1e9", "optimizer.weight_decay=0.1", "training.engine=torch",
     "training.engine=auto,native", "training.evaluate_every=1", "objective=gap", "objective=[gap,final_loss]",
     "data.noise=0", "data.seed=5", "region.mass=0.3", "+experiment=post_deep", "hydra/launcher=basic",
     "hydra/launcher/executor=threads", "hydra.launcher.executor.workers=1", "hydra/sweeper=harmonic",
     "model.width=interval(1,3)", "optimizer.lr=tag(log,interval(1e-4,1))", "hydra.sweeper.seeds=[0,1]"]
)  # fmt: skip
WILD = st.one_of(
    st.builds(lambda key, value: f"{key}={value}", KEYS, WORDS),
    st.builds(lambda key, *values: f"{key}={','.join(values)}", KEYS, WORDS, WORDS),
    st.builds(lambda key, one, two: f"{key}={one}{two}", KEYS, WORDS, WORDS),
    st.builds(lambda key, value: f"{key}={value}", KEYS, st.text(max_size=6)),
    KEYS,
    st.text(max_size=8),
).filter(lambda text: not text.startswith("-"))  # an option, not an override


def each(part: int, law: Callable[[], None]) -> None:
    """A law with the examples of one part: derandomized alone, each part would draw the same."""
    law = fuzz(law)
    (law if NEW_EXAMPLES else seed(part)(law))()


@pytest.mark.parametrize("part", range(PARTS))
def test_any_override_is_a_run_or_a_line(part: int) -> None:
    draws = st.booleans(), st.lists(SOUND, max_size=3), st.lists(WILD, max_size=1)
    each(part, given(*draws)(override_is_a_run_or_a_line))


def override_is_a_run_or_a_line(multirun: bool, sound: Sequence[str], wild: Sequence[str]) -> None:
    few = ["hydra.sweeper.n_trials=2"] if "hydra/sweeper=harmonic" in sound else []
    overrides = ("hydra.sweep.dir=s", "hydra.run.dir=r", *few, *sound, *wild)
    with tempfile.TemporaryDirectory() as folder, chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Hydra's own, of deprecated syntax
        done = command_here(*(["-m"] if multirun else []), *TINY, *overrides)
        parts = list(Path(folder).rglob("runs-*.parquet"))
        if done.code == 2:
            *hydras, ours = done.err.splitlines()
            assert ours.startswith("harmonic: "), done
            # Hydra's own launcher names the job before
            assert all(line.startswith("Error executing job with overrides: [") for line in hydras), done
            assert len(hydras) <= ("hydra/launcher=basic" in overrides), done
        else:
            assert done.code in (0, 1), done
            assert "Traceback" not in done.err, done
            if parts:
                assert len(load_runs(folder)) >= 1


GRID = ("-m", *TINY, "seed=0,1,2", "hydra.sweep.dir=outputs/grid", "hydra.launcher.executor.workers=1")
SEARCH = ("-m", *TINY, "hydra/sweeper=harmonic", "model.width=range(1,4)", "hydra.sweeper.n_trials=3",
          "hydra.sweep.dir=outputs/search", "hydra.launcher.executor.workers=1")  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid and a search, as they were left."""
    folder = tmp_path_factory.mktemp("whole")
    with chdir(folder):
        ends = [command_here(*command) for command in (GRID, SEARCH)]
    assert [one.code for one in ends] == [0, 0], ends
    return folder / "outputs"


def damage(file: Path, chance: random.Random) -> None:
    """Do to a file what disks, editors and people do."""
    content = bytearray(file.read_bytes())
    kind = chance.choice(["cut", "flip", "zero", "insert", "empty", "garbage", "gone", "folder", "double"])
    where = chance.randrange(len(content) + 1)
    if kind == "cut":
        del content[where:]
    elif kind == "flip" and content:
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif kind == "zero":
        content[where : where + 512] = bytes(len(content[where : where + 512]))
    elif kind == "insert":
        content[where:where] = chance.randbytes(chance.randint(1, 64))
    elif kind == "empty":
        content.clear()
    elif kind == "garbage":
        content[:] = chance.randbytes(len(content))
    elif kind == "double":
        content *= 2
    file.unlink()
    if kind == "folder":
        file.mkdir()
    elif kind != "gone":
        file.write_bytes(content)


def sound(outputs: Path, hurt: Sequence[Path]) -> dict[str, str]:
    """The ids of the runs below a folder whose parts are not hurt, by the run's folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that name what is left out
        parts = [path for path in outputs.rglob("runs-*.parquet") if path.is_file() and path not in hurt]
        rows = [row for part in parts for row in tables.read_rows(part.parent, part.stem.removeprefix("runs-"))]
    return {row["run"]: row["dir"] for row in rows}


@pytest.mark.parametrize("part", range(PARTS))
def test_any_damage_is_named_and_costs_no_other_row(whole: Path, part: int) -> None:
    """Whatever reads the folder, and the command that goes on in it."""
    each(part, given(st.just(whole), st.integers(0, 2**32))(damage_is_named_and_costs_no_other_row))


def damage_is_named_and_costs_no_other_row(whole: Path, number: int) -> None:
    chance = random.Random(number)
    with tempfile.TemporaryDirectory() as place, chdir(place), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = Path(place) / "outputs"
        shutil.copytree(whole, outputs)
        hurt = chance.sample(sorted(path for path in outputs.rglob("*") if path.is_file()), chance.randint(1, 3))
        kept = sound(outputs, hurt)
        for file in hurt:
            damage(file, chance)
        read(outputs, kept)
        if chance.random() < GOES_ON:
            for command in (GRID, SEARCH):
                done = command_here(*command)
                assert done.code in (0, 2), done
                assert "Traceback" not in done.err, done
                assert all(line.startswith("harmonic: ") for line in done.err.splitlines()), done
            read(outputs, kept)


def read(outputs: Path, kept: Mapping[str, str]) -> None:
    """Read all that can be read; the rows that must be there are."""
    runs = load_runs(outputs) if kept else pd.DataFrame()
    assert set(kept) <= set(runs.get("run", ()))
    with suppress(HarmonicError):
        gather([outputs])  # runs, curves, and what was asked
    with suppress(HarmonicError):
        load_study(outputs / "search")
    for _, run in runs.iterrows():
        with suppress(HarmonicError):
            load_model(run)
