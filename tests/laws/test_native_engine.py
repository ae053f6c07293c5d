"""The engine `native` is the engine `torch`, only faster; and it is itself, bit for bit, however it is run."""

from __future__ import annotations

import math
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy
import threadpoolctl
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harmonic.config.compose import compose
from harmonic.config.schema import ACTIVATIONS, Config
from harmonic.data.base import as_array
from harmonic.errors import ConfigError
from harmonic.training import models, native_engine, native_kernels
from harmonic.training.engines import State, choose
from harmonic.training.trainer import Trainer, train
from helpers import config

BASE = config("model=deep", "optimizer=adam", "training.engine=native")
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"_target_": "torch.optim.SGD", "lr": 1e-5},
    "momentum": {"_target_": "torch.optim.SGD", "lr": 1e-6, "momentum": 0.9, "weight_decay": 0.1},
    "nesterov": {"_target_": "torch.optim.SGD", "lr": 1e-6, "momentum": 0.9, "nesterov": True},
    "damped": {"_target_": "torch.optim.SGD", "lr": 1e-5, "momentum": 0.5, "dampening": 0.3},
    "adam": {"_target_": "torch.optim.Adam", "lr": 1e-4, "weight_decay": 0.1},
    "adamw": {"_target_": "torch.optim.AdamW", "lr": 1e-5, "betas": [0.8, 0.99], "eps": 1e-6},
}


def made(optimizer: str = "adam", activation: str = "sigmoid", engine: str = "native", **model: Any) -> Config:
    training = replace(BASE.training, engine=engine, steps=1000, evaluate_every=1000)
    section = BASE.model | {"activation": activation} | model
    return replace(BASE, optimizer=OPTIMIZERS[optimizer], model=section, training=training)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_engines_agree(activation: str, optimizer: str, depth: int) -> None:
    """After 1000 steps in the stable range. At larger rates rounding grows from step to step: there
    two threads and one of torch's own differ as much."""
    runs = (made(optimizer, activation, engine, depth=depth, width=12) for engine in ("torch", "native"))
    results = [train(Trainer(run)) for run in runs]
    theirs, ours = (result.errors for result in results)
    assert theirs is not None
    assert ours is not None
    for name in ("loss", "valid_rmse", "dense_rmse", "sparse_rmse"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-4), name


# How far an activation and its slope, as the kernels have them, are from the exact ones in double precision, which
# `test_activations_are_as_near_as_the_law_takes_them` holds: fitted to 6.5e-8, and coefficients in single precision.
APPROXIMATION = {
    "sigmoid": (1.8e-7, 1.8e-7),
    "tanh": (3.6e-7, 7.2e-7),
    "relu": (0.0, 0.0),
    "sin": (1.8e-7, 1.8e-7),
    "snake": (3.6e-7, 3.6e-7),
}
EXACT: dict[str, tuple[Any, Any]] = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: 1 / (2 + np.exp(z) + np.exp(-z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "sin": (np.sin, np.cos),
    "snake": (lambda z: z + np.sin(z) ** 2, lambda z: 1 + np.sin(2 * z)),
}
STEEPEST = {"sigmoid": 0.25, "tanh": 1.0, "relu": 1.0, "sin": 1.0, "snake": 2.0}  # max |f'|
SHARPEST = {"sigmoid": 0.1, "tanh": 0.77, "relu": 0.0, "sin": 1.0, "snake": 2.0}  # max |f''|, but at relu's bend
ROUNDING = 64 * np.finfo(np.float64).eps  # of a sum of some dozen products

Array = NDArray[np.float64]


def farthest(layers: list[tuple[Array, Array]], activation: str, x: Array, y: Array) -> tuple[float, list[Array]]:
    """How far the loss and its gradient can be from the exact ones, entry by entry.

    A value that is off by at most dA goes through a layer Z = W A + b, A' = f(Z) as

        dZ = |W| dA,    dA' = max|f'| dZ + e,    dF = max|f''| dZ + e'          (F = f'(Z))

    where e and e' are the activation's own errors. The loss's derivatives g = 2 r and D = U F, U = W^T D, go back as

        dg = 2 dr,    dU = |W|^T dD,    dD = dU |F| + |U| dF + dU dF,    d(D A^T) = |D| dA^T + dD |A|^T + dD dA^T

    and each sum adds its own rounding. So the bound grows with widths, layers, points and weights as the error may.

    Args:
        layers: weights (out, in) and biases (out,) from the first to the output layer, float64.
        x: (2, points). y: (points,).
    """
    value, slope = EXACT[activation]
    e_value, e_slope = APPROXIMATION[activation]
    a, da = x, np.zeros_like(x)
    kept = []
    for weights, bias in layers:
        z, size = weights @ a + bias[:, None], np.abs(weights) @ np.abs(a) + np.abs(bias)[:, None]
        dz = np.abs(weights) @ da + ROUNDING * size
        kept.append((a, da, z, dz))
        a = value(z)
        da = STEEPEST[activation] * dz + e_value + ROUNDING * np.abs(a)
    (_, _, z, dr), off = kept[-1], []
    r = z - y
    d, dd = 2 * r, 2 * dr + ROUNDING * np.abs(r)
    loss = float((2 * np.abs(r) * dr + dr**2 + ROUNDING * r**2).sum())
    for level in range(len(layers) - 1, -1, -1):
        a, da, _, _ = kept[level]
        size = np.abs(d) @ np.abs(a).T
        off += [dd.sum(1) + ROUNDING * np.abs(d).sum(1)]
        off += [(np.abs(d) @ da.T + dd @ np.abs(a).T + dd @ da.T + ROUNDING * size).ravel()]
        if level:
            _, _, z, dz = kept[level - 1]
            weights, f = layers[level][0], slope(z)
            df = SHARPEST[activation] * dz + e_slope + ROUNDING * np.abs(f)
            if activation == "relu":
                df = np.where(np.abs(z) <= dz, 1.0, 0.0)
            u, du = weights.T @ d, np.abs(weights).T @ (dd + ROUNDING * np.abs(d))
            d, dd = u * f, du * np.abs(f) + np.abs(u) * df + du * df + ROUNDING * np.abs(u * f)
    return loss, off[::-1]


@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=4),
    st.sampled_from(ACTIVATIONS),
    st.integers(0, 999),
    st.integers(1, 30),
)
@example([5, 3, 2], "sigmoid", 288, 27)  # the approximation makes 1.1e-5 of the largest entry of it
@settings(max_examples=60)
def test_gradients_are_autograds(widths: list[int], activation: str, seed: int, points: int) -> None:
    """In double precision; what is left is what the activations' own approximation can make of them (`farthest`)."""
    generator = torch.Generator().manual_seed(seed)
    network = models.MLP(widths, len(widths), activation, generator).double()
    x = torch.randn(points, 2, generator=generator, dtype=torch.float64)
    y = torch.randn(points, 1, generator=generator, dtype=torch.float64)
    loss = (network(x) - y).square().sum()
    loss.backward()
    expected = np.concatenate([p.grad.numpy().ravel() for p in network.parameters() if p.grad is not None])
    arrays = [p.detach().numpy() for p in network.parameters()]
    theta, columns, values = np.concatenate([a.ravel() for a in arrays]), x.numpy().T.copy(), y.numpy().ravel()
    gradient = np.empty_like(theta)
    ours = native_kernels.gradient_of(
        columns, values, np.array([2, *widths, 1]), native_engine.ACTIVATIONS[activation], theta, gradient
    )
    loss_off, off = farthest(list(zip(arrays[::2], arrays[1::2], strict=True)), activation, columns, values)
    assert abs(ours - loss.item()) <= loss_off
    assert (np.abs(gradient - expected) <= np.concatenate(off)).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_as_near_as_the_law_takes_them(activation: str) -> None:
    z = np.linspace(-40, 40, 200_001)
    ours, kept = z.copy(), np.empty_like(z)
    native_kernels._activate(native_engine.ACTIVATIONS[activation], ours, kept)
    slopes = np.ones_like(z)
    native_kernels._chain(native_engine.ACTIVATIONS[activation], ours, kept, slopes)
    for have, formula, bound in zip((ours, slopes), EXACT[activation], APPROXIMATION[activation], strict=True):
        assert np.abs(have - formula(z)).max() <= bound


@pytest.mark.parametrize(
    ("code", "formula", "reach"),
    [
        (native_kernels.SIGMOID, lambda z: 1 / (1 + np.exp(-z)), 100.0),
        (native_kernels.TANH, np.tanh, 100.0),
        (native_kernels.SIN, np.sin, 1e4),
        (native_kernels.SNAKE, lambda z: z + np.sin(z) ** 2, 30.0),
    ],
)
def test_activations_are_exact_to_single_precision(code: int, formula: Any, reach: float) -> None:
    z = np.linspace(-reach, reach, 100_001).astype(np.float32)
    value = z.copy()
    native_kernels._activate(code, value, np.empty_like(z))
    exact = formula(z.astype(np.float64))
    assert np.abs(value - exact).max() <= 5e-7 * max(1.0, np.abs(exact).max())


@pytest.mark.parametrize("code", range(5))
def test_no_activation_hides_what_is_not_a_number(code: int) -> None:
    z = np.array([np.nan, 1.0], np.float32)
    native_kernels._activate(code, z, np.empty_like(z))
    assert math.isnan(z[0])
    assert math.isfinite(z[1])


def test_predictions_are_the_modules() -> None:
    for activation in ACTIVATIONS:
        trial = Trainer(made(activation=activation, width=[9, 4]))
        state, _ = trial.advance(trial.start(), 20)
        network = models.build(trial.config.model, torch.Generator())
        network.load_state_dict({name: torch.from_numpy(array) for name, array in state.parameters.items()})
        with torch.no_grad():
            theirs = as_array(network(trial.regions.x)).ravel()
        assert trial.engine.predict(trial.config, state, trial.regions.x) == pytest.approx(theirs, abs=2e-6)


@given(st.lists(st.integers(1, 15), min_size=1, max_size=6), st.sampled_from(list(OPTIMIZERS)))
@settings(max_examples=30)
def test_any_partition_of_the_steps_is_the_same_run(parts: list[int], optimizer: str) -> None:
    trial = Trainer(made(optimizer, width=5))
    whole, losses = trial.advance(trial.start(), sum(parts))
    state, segments = trial.start(), []
    for steps in parts:
        state, segment = trial.advance(State.from_bytes(state.to_bytes()), steps)
        segments.append(segment)
    assert state.to_bytes() == whole.to_bytes()
    assert np.array_equal(losses, np.concatenate(segments))


@pytest.mark.parametrize("threads", [2, 5])
def test_a_run_is_the_same_alone_and_in_company(threads: int) -> None:
    runs = [made(activation=a, width=w, depth=d) for a in ("sigmoid", "sin") for w in (3, 16, 50) for d in (1, 2)]
    runs = [replace(run, seed=seed, data=run.data | {"points": 1100}) for run in runs for seed in range(3)]

    def final(run: Config) -> bytes:
        trial = Trainer(run)
        return trial.advance(trial.start(), 30)[0].to_bytes()

    alone = [final(run) for run in runs]
    order = random.Random(0).sample(range(len(runs)), len(runs))
    with ThreadPoolExecutor(threads) as pool:
        together = dict(zip(order, pool.map(final, [runs[k] for k in order]), strict=True))
    assert [together[k] for k in range(len(runs))] == alone


def test_points_beyond_a_block_count_like_all_others() -> None:
    """Two and a half blocks of points against torch, which knows no blocks."""
    points = int(2.5 * native_kernels.BLOCK)
    both = []
    for engine in ("torch", "native"):
        run = made(engine=engine, width=6)
        trial = Trainer(replace(run, data=run.data | {"points": points}))
        both.append(trial.advance(trial.start(), 20)[1])
    assert both[1] == pytest.approx(both[0], rel=1e-5)


def test_divergence_is_seen_at_its_step() -> None:
    steps = []
    for engine in ("torch", "native"):
        run = replace(made(engine=engine), optimizer={"_target_": "torch.optim.SGD", "lr": 1e6})
        result = train(Trainer(run))
        assert result.status == "diverged"
        assert np.isfinite(result.curve.losses).all()
        steps.append(result.state.step)
    assert steps[0] == steps[1]


def test_the_given_state_is_left_alone() -> None:
    trial = Trainer(made())
    state, _ = trial.advance(trial.start(), 3)
    before = state.to_bytes()
    trial.advance(state, 3)
    assert state.to_bytes() == before


def engine_of(*overrides: str) -> str:
    return choose(compose(list(overrides))).name


def test_auto_takes_native_where_it_can() -> None:
    assert engine_of() == "native"
    assert engine_of("model.width=[3,4,5]", "model.depth=3", "optimizer=adamw", "model.activation=snake") == "native"
    assert engine_of("+optimizer.momentum=0.9", "+optimizer.nesterov=true") == "native"
    assert engine_of("optimizer=adam", "+optimizer.amsgrad=true") == "torch"
    assert engine_of("optimizer._target_=torch.optim.Rprop") == "torch"
    assert engine_of("training.engine=torch") == "torch"


@pytest.mark.parametrize(
    ("overrides", "missing"),
    [
        (["optimizer._target_=torch.optim.Rprop"], "the optimizer torch.optim.Rprop"),
        (["optimizer=adam", "+optimizer.amsgrad=true"], "optimizer.amsgrad=True"),
        (["+optimizer.maximize=true"], "optimizer.maximize=True"),
        (["training.device=cuda"], "training.device=cuda"),
    ],
)
def test_native_says_what_it_lacks(overrides: list[str], missing: str) -> None:
    with pytest.raises(ConfigError, match=f"lacks {missing}"):
        choose(compose(["training.engine=native", *overrides]))


# What people write for an argument: right, nearly, and not at all
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([0, 0.0, 1, 0.5, 0.9, 0.999, 1.0, 1e-8, 2.5, -1, -0.1, 1e-60, 1e30]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.sampled_from([True, False, None, "", "a", "0.9", "no", [], {}, {"a": 1}]),
    st.lists(st.sampled_from([0.0, 0.5, 0.9, 0.999, 1.0, -0.1, math.nan, 0, 1, True, None, "0.9", [0.9]]), max_size=4),
)
OF_ALL = ("weight_decay", "maximize", "foreach", "differentiable", "fused")
ADAMS = (*OF_ALL, "betas", "eps", "amsgrad", "capturable", "decoupled_weight_decay")
ARGUMENTS = {
    "torch.optim.SGD": (*OF_ALL, "momentum", "dampening", "nesterov"),
    "torch.optim.Adam": ADAMS,
    "torch.optim.AdamW": (*ADAMS, "nesterov"),
}


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    target = draw(st.sampled_from(list(ARGUMENTS)))
    names = draw(st.lists(st.sampled_from(ARGUMENTS[target]), min_size=1, max_size=3, unique=True))
    return {"_target_": target, "lr": draw(st.sampled_from([1e-3, 1e-5]))} | {name: draw(VALUES) for name in names}


def outcome_of(section: dict[str, Any], engine: str) -> tuple[str | None, str, np.ndarray[Any, Any]]:
    """What a run of four steps says against it, who trained it, and its losses."""
    one = replace(made(engine=engine, width=3), optimizer=section)
    try:
        trial = Trainer(one)
        state = trial.start()
    except ConfigError as error:
        return str(error), "", np.empty(0)
    return None, trial.engine.name, trial.advance(state, 4)[1]


@given(sections())
@example({"_target_": "torch.optim.Adam", "lr": 1e-3, "betas": [0.9, 0.999, 0.5]})
@example({"_target_": "torch.optim.Adam", "lr": 1e-3, "betas": [0.9]})
@example({"_target_": "torch.optim.SGD", "lr": 1e-5, "dampening": "a"})  # torch looks at it only with momentum
@example({"_target_": "torch.optim.SGD", "lr": 1e-5, "dampening": "a", "momentum": 0.9})
@example({"_target_": "torch.optim.SGD", "lr": 1e-5, "nesterov": "yes", "momentum": 0.9})
@example({"_target_": "torch.optim.SGD", "lr": 1e-3, "weight_decay": 1e30, "momentum": math.nan, "dampening": []})
@settings(max_examples=150)
def test_native_takes_what_torch_takes_and_makes_the_same_of_it(section: dict[str, Any]) -> None:
    torchs, _, theirs = outcome_of(section, "torch")
    refused, engine, ours = outcome_of(section, "auto")
    assert refused == torchs
    assert len(ours) == len(theirs)
    if engine == "native":  # rounding, and what a step of the size of Adam's makes of it where a gradient is nearly 0
        assert ours == pytest.approx(theirs, rel=1e-4, nan_ok=True)
    asked, _, _ = outcome_of(section, "native")
    assert asked == torchs or (asked is not None and "lacks optimizer." in asked)


class Library:
    """A library as threadpoolctl shows it. held: whether it can be held to a number of threads."""

    user_api = "blas"

    def __init__(self, package: Any, name: str, held: bool = True) -> None:
        self.filepath = str(Path(package.__file__).parent.parent / name) if package else name
        self.threads, self.held = 4, held

    def set_num_threads(self, threads: int) -> None:
        self.threads = threads if self.held else self.threads

    def get_num_threads(self) -> int:
        return self.threads


@pytest.mark.parametrize(
    ("libraries", "threads", "told"),
    [
        ([(scipy, "scipy.libs/libopenblas.so"), (np, "numpy.libs/libopenblas.so")], [1, 4], 0),
        ([(scipy, "scipy/.dylibs/libopenblas.dylib"), (np, "numpy/.dylibs/libopenblas.dylib")], [1, 4], 0),
        ([(None, "/opt/conda/lib/libmkl_rt.so.2"), (torch, "torch/lib/libopenblas.so")], [1, 4], 0),
        ([(None, "/usr/lib/libblis.so", False)], [4], 1),
        ([(np, "numpy.libs/libopenblas.so")], [4], 1),  # SciPy's is one that threadpoolctl does not know
        ([], [], 1),
    ],
)
def test_the_blas_of_scipy_is_held_to_one_thread_or_it_is_said_once(
    libraries: list[Any],
    threads: list[int],
    told: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = [Library(*one) for one in libraries]
    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", lambda: SimpleNamespace(lib_controllers=found))
    native_engine._hold_blas.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: native_engine.NativeEngine(), range(8)))
    assert [library.threads for library in found] == threads
    assert len([one for one in caplog.records if "cannot be held to one thread" in one.message]) == told
    native_engine._hold_blas.cache_clear()


def test_threads_that_come_to_the_kernels_at_once_say_once_that_they_are_compiled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(native_engine, "must_compile", lambda _kernel: True)
    monkeypatch.setattr(native_engine, "_announcing", threading.Lock())
    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            threads.submit(native_engine._announce_compilation)
    assert [one.message for one in caplog.records] == ["compiling the kernels of the native engine (once, some 20 s)"]
