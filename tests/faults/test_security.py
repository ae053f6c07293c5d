"""What is read back runs no code, and what is named stays in its folder. (The report's page: `test_reports.py`;
the state of a sampler: `test_cma.py`.)"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from harmonic import load_model, load_runs
from harmonic.errors import HarmonicError
from harmonic.reports import report
from harmonic.results.model_file import PARAMETERS_FILE
from helpers import CommandLine, files

SMALL = ("training.steps=4", "training.evaluate_every=4", "data.points=10")
SEARCH = ("-m", "hydra/sweeper=harmonic", "model.width=range(2,5)", "hydra.sweeper.n_trials=2", *SMALL)


def test_a_trained_network_imports_nothing_unless_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "strangers.py").write_text(
        f"import pathlib, torch\npathlib.Path({str(mark)!r}).touch()\nclass Net(torch.nn.Linear):\n"
        "    def __init__(self):\n        super().__init__(2, 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    parameters = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    save_file(parameters, tmp_path / PARAMETERS_FILE, {"model": json.dumps({"_target_": "strangers.Net"})})
    with pytest.raises(HarmonicError, match=r"unless trust=True.*got strangers\.Net"):
        load_model(tmp_path)
    assert not mark.exists()
    assert load_model(tmp_path, trust=True)(torch.ones(1, 2)).item() == 2
    assert mark.exists()


@pytest.mark.parametrize("where", ["../elsewhere", "/etc", "0/../../elsewhere"])
def test_a_row_that_points_outside_is_left_out_and_named(harmonic_command: CommandLine, where: str) -> None:
    home = harmonic_command.folder / "sweep"
    assert harmonic_command("-m", "seed=1,2", f"hydra.sweep.dir={home}", *SMALL).code == 0
    part = sorted((home / "table").glob("runs-*.parquet"))[-1]
    rows = pq.read_table(part)
    known = load_runs(home)
    moved = rows.set_column(rows.column_names.index("dir"), "dir", pa.array([where] * len(rows)))
    pq.write_table(moved, part)
    left = set(known["run"]) - set(rows["run"].to_pylist())
    if not left:  # both runs lay in one part
        pq.write_table(rows.slice(0, 1), part.with_name("runs-0.parquet"))
        left = set(rows["run"].to_pylist()[:1])
    with pytest.warns(UserWarning, match="their dir lies outside"):
        runs = load_runs(home)
    assert set(runs["run"]) == left


@pytest.mark.parametrize("subdir", ["../x", "/tmp/x", "${hydra.job.num}/../../x"])
@pytest.mark.parametrize("sweep", [("-m", "seed=1", *SMALL), SEARCH], ids=["grid", "search"])
def test_runs_stay_in_their_sweeps_folder(harmonic_command: CommandLine, sweep: tuple[str, ...], subdir: str) -> None:
    refused = harmonic_command(*sweep, "hydra.sweep.dir=s", f"hydra.sweep.subdir={subdir}")
    assert refused.code == 2
    assert refused.err.startswith("harmonic: hydra.sweep.subdir must be a folder inside the sweep's")
    assert all(name.startswith("s/") for name in files(harmonic_command.folder))


@pytest.mark.parametrize("link", ["1", "1/.hydra", "1/harmonic.log", "1/.hydra/config.yaml"])
@pytest.mark.parametrize(
    "sweep",
    [("-m", "seed=range(0,3)", *SMALL), ("-m", "seed=range(0,3)", "hydra/launcher=basic", *SMALL), SEARCH],
    ids=["grid", "basic", "search"],
)
def test_nothing_is_written_through_a_link(harmonic_command: CommandLine, sweep: tuple[str, ...], link: str) -> None:
    if "hydra/launcher=basic" in sweep and link != "1":
        pytest.skip("Hydra's own launcher writes there itself")
    elsewhere, place = harmonic_command.folder / "elsewhere", harmonic_command.folder / "s" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(elsewhere)
    if Path(link).suffix:
        elsewhere.write_text("mine")
    else:
        elsewhere.mkdir()
    refused = harmonic_command(*sweep, "hydra.sweep.dir=s")
    assert refused.code == 2
    *_, line = refused.err.splitlines()
    assert line.startswith("harmonic: ")
    assert f"s/{link}" in line
    hydras = {".hydra", "harmonic.log"} if "hydra/launcher=basic" in sweep else set()
    if Path(link).suffix:
        assert elsewhere.read_text() == "mine"
    else:
        assert {child.name for child in elsewhere.iterdir()} == hydras
    place.unlink()
    assert harmonic_command(*sweep, "hydra.sweep.dir=s").code == 0


def test_names_of_studies_and_sweeps_are_no_paths(harmonic_command: CommandLine) -> None:
    home = harmonic_command.folder / "in" / "<b>&'..'"
    done = harmonic_command(*SEARCH, f'hydra.sweep.dir="{home}"', "hydra.sweeper.study_name=../../out")
    assert (done.code, done.err) == (0, "")
    page = report([home])
    assert "<b>&" not in page.read_text().partition("<body")[2]
    assert files(harmonic_command.folder)
    assert all(Path(name).is_relative_to("in/<b>&'..'") for name in files(harmonic_command.folder))
