"""What the snapshot composes is what Hydra composes, for any overrides and any config."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from harmonic._compat import hydra as compat
from harmonic._compat.hydra import initialized
from harmonic.config import sweep_compose
from harmonic.config.compose import config_root, prepare
from harmonic.config.job import Job
from harmonic.config.sweep_compose import Snapshot
from harmonic.config.yaml_text import dump

VALUES: dict[str, list[str | None]] = {
    "seed": ["0", "7", "+5", "-0", "1_000", "007", "null", "1.5", "x"],
    "model": ["shallow", "deep"],
    "optimizer": ["sgd", "adam", "adamw"],
    "model.width": ["3", "16", "[4,5]", "fifty", "'8'", "1e2"],
    "model.activation": ["sin", "'snake'", '"relu"', "a b"],
    "optimizer.lr": [
        "1e-4",
        "0.1",
        "-.5",
        "5.",
        "1E5",
        "0e0",
        "10.50e+03",
        "nan",
        "inf",
        "-1",
        "${region.mass}",
        "1e-4x",
    ],
    "training.steps": ["5", "10", "'12'", "2.5"],
    "training.engine": ["torch", "5", "true"],
    "region.mass": ["0.5", "1", "${training.steps}"],
    "data": ["harmonic"],
    "data.noise": ["0", "0.25", "null"],
    "+optimizer.momentum": ["0.9", "0"],
    "++optimizer.lr": ["0.3"],
    "+model.extra": ["{a: 1, b: [2, x]}", "'007'"],
    "~data.noise": [None],
    "~optimizer": [None],
    "objective": ["gap", "[gap,final_loss]", "''"],
    "figures": ["true", "false", "null", "yes"],
    "+experiment": ["post_sgd", "post_deep"],
    "hydra.sweep.subdir": ["x${hydra.job.num}", "${hydra.job.override_dirname}"],
    "hydra/job_logging": ["default"],
    "hydra.output_subdir": ["null", "elsewhere"],
    "hydra.job.name": ["mine", "j${hydra.job.num}"],
    "+hydra.job.env_set.HARMONIC_TEST": ["'7'", "n${hydra.job.num}"],
    "+data.told": [
        "'${oc.env:HARMONIC_TEST,unset}'",
        "'${hydra:job.num}'",
        "'${hydra:runtime.output_dir}/x'",
        "'${hydra:job.env_set}'",
        "'${now:%Y}'",
    ],
}

PAIRS = [(key, value) for key, values in VALUES.items() for value in values]
override = st.sampled_from([key if value is None else f"{key}={value}" for key, value in PAIRS])
override_sets = st.lists(override, max_size=5, unique_by=lambda text: text.partition("=")[0])


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    return loader_of(config_root() / "conf")


@pytest.fixture(scope="module")
def snapshot(loader: ConfigLoader) -> Snapshot:
    return Snapshot(loader, load_master(loader))


def loader_of(folder: Path) -> ConfigLoader:
    prepare()
    with initialized(str(folder)):
        loader = GlobalHydra.instance().config_loader()
    assert isinstance(loader, ConfigLoader)
    return loader


def load_master(loader: ConfigLoader) -> DictConfig:
    return loader.load_configuration("config", ["hydra.sweep.dir=sweeps_of_tests"], run_mode=RunMode.MULTIRUN)


def by_hydra(loader: ConfigLoader, overrides: list[str], number: int) -> dict[str, Any]:
    """The resolved config, the unresolved one, Hydra's part and the folder, as its own launcher has them."""
    composed = loader.load_sweep_config(load_master(loader), overrides)
    with open_dict(composed):
        composed.hydra.job.id, composed.hydra.job.num = str(number), number
    HydraConfig.instance().set_config(composed)
    folder = Path(composed.hydra.sweep.dir).absolute() / composed.hydra.sweep.subdir
    with read_write(composed.hydra.runtime), open_dict(composed.hydra.runtime):
        composed.hydra.runtime.output_dir = str(folder)
    hydra = yaml.safe_load(OmegaConf.to_yaml(OmegaConf.masked_copy(composed, "hydra")))
    task = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    HydraConfig.instance().set_config(composed)
    with env_override(HydraConfig.get().job.env_set):
        resolved = OmegaConf.to_container(task, resolve=True)
    return {
        "config": resolved,
        "yaml": OmegaConf.to_container(task),
        "hydra": hydra,
        "folder": folder,
    }


@given(override_sets)
@settings(max_examples=15)
def test_the_whole_of_a_job_is_what_it_was_composed_of(snapshot: Snapshot, overrides: list[str]) -> None:
    try:
        job = snapshot.job(3, overrides)
    except Exception:  # the law above holds what is refused
        return
    whole = OmegaConf.to_container(job.whole())
    assert isinstance(whole, dict)
    hydra = whole.pop("hydra")
    assert repr(whole) == repr(OmegaConf.to_container(OmegaConf.create(job.yaml)))
    assert repr(hydra) == repr(OmegaConf.to_container(OmegaConf.create(job.hydra_yaml).hydra))


def parts(job: Job) -> dict[str, Any]:
    return {
        "config": job.config,
        "yaml": OmegaConf.to_container(OmegaConf.create(job.yaml)),
        "hydra": yaml.safe_load(job.hydra_yaml),
        "folder": job.folder,
    }


def composed_as_hydra_does(loader: ConfigLoader, snapshot: Snapshot, jobs: list[list[str]]) -> None:
    """Each job is what Hydra makes of it, or is refused as Hydra refuses it."""
    for number, overrides in enumerate(jobs):
        try:
            expected = by_hydra(loader, overrides, number)
        except Exception as error:
            with pytest.raises(type(error)):
                snapshot.job(number, overrides)
        else:
            assert repr(parts(snapshot.job(number, overrides))) == repr(expected)  # nan is not nan


@example([["+data.told='${oc.env:HARMONIC_TEST,unset}'", "+hydra.job.env_set.HARMONIC_TEST='7'"]])
@given(st.lists(override_sets, min_size=1, max_size=3))
@settings(max_examples=25)
def test_every_job_is_composed_as_hydra_does(loader: ConfigLoader, snapshot: Snapshot, jobs: list[list[str]]) -> None:
    composed_as_hydra_does(loader, snapshot, jobs)


def test_jobs_that_differ_in_values_cost_one_composition(loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    composed = []
    whole = loader.load_sweep_config

    def counted(master: DictConfig, overrides: list[str]) -> DictConfig:
        composed.append(overrides)
        return whole(master, overrides)

    monkeypatch.setattr(loader, "load_sweep_config", counted)
    snapshot = Snapshot(loader, load_master(loader))
    for number in range(60):
        model = ("shallow", "deep")[number % 2]
        snapshot.job(number, [f"model={model}", f"seed={number}", f"optimizer.lr={number + 1}e-5"])
    assert len(composed) == 2


def test_a_job_does_not_see_what_another_has_set(snapshot: Snapshot) -> None:
    snapshot.job(0, ["model.width=3", "seed=5"])
    snapshot.job(1, ["model.width=4"])
    assert snapshot.job(2, ["seed=6"]).config["model"]["width"] == 50
    assert snapshot.job(3, []).config["seed"] == 0


def test_a_key_that_does_not_exist_is_hydras_error(snapshot: Snapshot) -> None:
    with pytest.raises(HydraException, match=r"Could not override 'model\.widht'"):
        snapshot.job(0, ["model.widht=3"])


def test_what_is_edited_meanwhile_changes_nothing(tmp_path: Path) -> None:
    """Neither a file that was used already, nor one that is wanted for the first time, nor one that is gone."""
    shutil.copytree(config_root() / "conf", tmp_path / "conf")
    loader = loader_of(tmp_path / "conf")
    snapshot = Snapshot(loader, load_master(loader))
    made = snapshot.job(0, ["seed=1"])
    before = parts(made)
    for name in ("optimizer/sgd", "optimizer/adamw"):
        path = tmp_path / "conf" / f"{name}.yaml"
        path.write_text(path.read_text().replace("lr: ", "lr: 7"))
    (tmp_path / "conf/model/deep.yaml").unlink()
    (tmp_path / "conf/config.yaml").write_text("a: [")
    assert parts(made) == parts(snapshot.job(0, ["seed=1"])) == before
    assert snapshot.job(1, ["optimizer=adamw", "seed=2"]).config["optimizer"]["lr"] < 1
    assert snapshot.job(2, ["model=deep", "+data.extra=7"]).config["model"]["depth"] == 2


TEXT = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=8)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT)
KEYS = st.from_regex("[a-z]{1,5}", fullmatch=True)
NODES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@given(NODES)
@settings(max_examples=200)
def test_what_is_dumped_is_what_omegaconf_reads_back(node: Any) -> None:
    def plain(text: str) -> bool:
        return "${" not in text and text != "???"

    if all(plain(text) for text in repr(node).split("'")):
        read = OmegaConf.to_container(OmegaConf.create(dump({"node": node})))
        assert isinstance(read, dict)
        assert repr(read["node"]) == repr(node)


def test_without_hydras_private_names_every_job_is_composed_by_hydra(
    loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "ConfigRepository", None)
    for private in ("with_repository", "with_value", "override_dirname", "set_override_dirname"):
        monkeypatch.delattr(compat, private)
    sweep_compose._say_once.cache_clear()
    with pytest.warns(UserWarning, match=r"this Hydra has no ConfigRepository: each job is composed by itself"):
        slow = Snapshot(loader, load_master(loader))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        Snapshot(loader, load_master(loader))

    @given(st.lists(override_sets, min_size=1, max_size=2))
    @settings(max_examples=6)
    def law(jobs: list[list[str]]) -> None:
        composed_as_hydra_does(loader, slow, jobs)

    assert not slow._bases


def test_a_name_that_is_missing_is_named(loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compat.missing(loader) == ()
    monkeypatch.setattr(compat, "ConfigRepository", None)
    assert compat.missing(loader) == ("ConfigRepository",)
