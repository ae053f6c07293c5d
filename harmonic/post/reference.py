"""The post as a published result that runs are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harmonic.analysis.references import Prediction
from harmonic.config.compose import compose
from harmonic.post import experiments
from harmonic.results.columns import leaves

if TYPE_CHECKING:
    from harmonic.reports.blocks import Section
    from harmonic.reports.report_data import ReportData

BEST = "post_deep"  # of its configurations the one that fits best


class Post:
    """The post: a `harmonic.analysis.references.Reference` with sections of its own."""

    name = "the post"
    markers: Mapping[str, str] = MappingProxyType(dict(zip(experiments.EXPERIMENTS, "^sD", strict=True)))
    origin = "seeds 0 to 63 ship with harmonic"

    def label(self, runs: pd.DataFrame) -> pd.Series:
        return experiments.label(runs)

    def published(self) -> pd.DataFrame:
        return experiments.published()

    def baselines(self) -> pd.DataFrame:
        return experiments.baselines()

    def shares_data(self, runs: pd.DataFrame) -> bool:
        """Whether these runs were trained on the post's own law, and their errors taken in its regions."""
        return all(name in runs and (runs[name] == value).all() for name, value in _law().items())

    def predict(self, grid: pd.DataFrame) -> Prediction:
        """The prediction of its deep network from seed 0, trained here and now."""
        import torch  # here, as the figures below: `python -m harmonic.post` needs neither

        from harmonic.training.trainer import build, train

        trainer = build(compose([f"+experiment={BEST}", "seed=0"]))
        x = torch.tensor(grid[["x0", "x1"]].to_numpy(np.float32))
        return Prediction(BEST, 0, trainer.engine.predict(trainer.config, train(trainer).state, x))

    def sections(self, data: ReportData) -> list[Section]:
        """What a report says of the post, where its configurations are among the runs."""
        from harmonic.post.section import post_section

        section = post_section(data)
        return [] if section is None else [section]


@cache
def _law() -> dict[str, Any]:
    """The columns, with their values, of runs on the post's data and in its regions."""
    config = compose()
    law = {f"data.{key}": value for key, value in leaves(dict(config.data)).items() if key != "seed"}
    return law | {"region.mass": config.region.mass}
