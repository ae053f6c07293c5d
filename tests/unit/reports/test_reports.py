"""Reports of whatever lies in a folder: what they say is what the table says, and a browser can read it."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure as Drawing
from PIL import Image
from playwright.sync_api import expect

import harmonic
from browser import opened
from harmonic import figures, post
from harmonic.analysis import configurations, references
from harmonic.figures.style import BEST
from harmonic.reports import main, page, report
from harmonic.reports.blocks import Block, Facts, Figure, Grid, Section, Text
from harmonic.reports.commands import command, commands
from harmonic.reports.page_folder import MANIFEST, page_folder
from harmonic.reports.report_data import ReportData, gather
from harmonic.reports.sections import sections
from harmonic.results import tables
from helpers import CommandLine, command_here, files
from sown import record, sweep

SMALL = ("data.points=60", "training.steps=40", "training.evaluate_every=20")
EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of two optimizers, two widths and three seeds."""
    folder = tmp_path_factory.mktemp("trained")
    given = ("-m", "optimizer=sgd,adam", "model.width=4,8", "seed=range(0,3)", f"hydra.sweep.dir={folder}/grid")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert command_here(*given, *SMALL).code == 0
    return folder / "grid"


@pytest.fixture
def grid(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, for a test to change."""
    return Path(shutil.copytree(trained, tmp_path / "outputs" / "grid"))


@contextmanager
def blank_pictures() -> Iterator[None]:
    """Figures are made, but their pixels, which take most of a report's time, are not drawn."""
    blank = Image.new("RGB", (2, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harmonic.reports.blocks.picture", lambda _drawing: blank)
        yield


@pytest.fixture
def undrawn() -> Iterator[None]:
    with blank_pictures():
        yield


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which the command refuses."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def table_of(content: str) -> dict[str, list[list[object]]]:
    found = re.search(r'<script type="application/json" id="runs-data">(.*?)</script>', content, re.DOTALL)
    assert found is not None
    loaded: dict[str, list[list[object]]] = json.loads(found[1])
    return loaded


def test_the_page_of_a_grid_works_in_a_browser_and_on_a_phone(grid: Path) -> None:
    path = report([grid])
    assert path.stat().st_size < 5e6
    with opened(path) as (seen, complaints):
        rows = seen.locator("#runs-table tbody tr")
        expect(rows).to_have_count(12)
        images = seen.locator("img").all()
        assert len(images) == len(pictures(path)) > 3
        for image in images:
            assert image.evaluate("image => image.complete && image.naturalWidth > 0")
            assert len(image.get_attribute("alt") or "") > 20
        heads = seen.locator(".dt-scroll-head thead tr")
        titles = [cell.inner_text().strip() for cell in heads.first.locator("th").all()]
        seed = titles.index("seed")
        heads.first.locator("th").nth(seed).click()
        expect(rows.locator(f"td:nth-child({seed + 1})")).to_have_text(sorted("012" * 4))
        seen.locator(".dt-search input").fill("SGD")
        expect(rows).to_have_count(6)
        seen.locator(".dt-search input").fill("")
        heads.nth(1).locator("input").nth(seed).fill("2")
        expect(rows).to_have_count(4)
        seen.set_viewport_size({"width": 390, "height": 800})  # a phone
        assert seen.evaluate("document.documentElement.scrollWidth") <= 390
        assert complaints == []


def test_what_a_config_says_is_shown_as_text(tmp_path: Path) -> None:
    table = {"columns": [{"title": EVIL, "kind": "text", "wide": False}], "rows": [[EVIL], ["</script>" + EVIL]]}
    section = Section(EVIL, [Text(EVIL), Facts({EVIL: EVIL}), Grid(EVIL, [EVIL, "command"], [[EVIL, EVIL]], "command")])
    path = page.write(page_folder([tmp_path], None, EVIL), EVIL, [section], table)
    with opened(path) as (seen, complaints):
        assert seen.title() == EVIL
        assert EVIL in seen.locator("#runs-table tbody td").first.inner_text()
        seen.wait_for_timeout(200)
        assert seen.title() == EVIL
        assert seen.locator("img").count() == 0
        assert complaints == []


@pytest.mark.usefixtures("undrawn")
def test_the_table_of_a_page_is_load_runs_and_what_is_damaged_is_named(grid: Path) -> None:
    runs = harmonic.load_runs(grid)
    part = sorted((grid / tables.FOLDER).glob("runs-*.parquet"))[0]
    (part.parent / "runs-zz.parquet").write_bytes(part.read_bytes()[:100])
    content = report([grid]).read_text()
    assert "runs-zz.parquet" in content
    shown = table_of(content)
    titles = [column["title"] for column in shown["columns"]]  # type: ignore[call-overload]
    frame = pd.DataFrame(shown["rows"], columns=titles)
    assert np.array_equal(frame["valid rmse"].astype(float), runs["valid_rmse"])
    assert frame["seed"].tolist() == runs["seed"].tolist()
    assert [(grid / name).resolve() for name in frame["folder"]] == [Path(name).resolve() for name in runs["dir"]]


def test_a_command_repeats_its_runs(grid: Path, harmonic_command: CommandLine) -> None:
    runs = harmonic.load_runs(grid)
    mine = runs[(runs["model.width"] == 8) & (runs["optimizer._target_"] == "torch.optim.Adam")]
    given = command(mine).split()
    assert given[:2] == ["harmonic", "-m"]
    again = harmonic_command.folder / "again"
    harmonic_command(*given[1:], f"hydra.sweep.dir={again}")
    repeated = harmonic.load_runs(again)
    assert repeated.sort_values("seed")["final_loss"].tolist() == mine.sort_values("seed")["final_loss"].tolist()


def test_what_was_swept_is_found(grid: Path) -> None:
    runs = harmonic.load_runs(grid)
    assert configurations.swept(runs) == ["model.width", "optimizer._target_"]
    ranked = configurations.ranked(runs)
    assert len(ranked) == 4
    assert (ranked["n"] == 3).all()
    best = runs[configurations.config_ids(runs) == ranked.index[0]]
    assert ranked["mean"].iloc[0] == pytest.approx(best["valid_rmse"].mean())
    assert ranked["mean"].is_monotonic_increasing


def test_a_search_a_run_and_a_folder_of_both(harmonic_command: CommandLine) -> None:
    harmonic_command("-cn", "smoke")
    harmonic_command("figures=false", *SMALL)
    outputs = harmonic_command.folder / "outputs"
    search = report([outputs / "smoke"]).read_text()
    for word in ("TPESampler", "tag(log,interval(1e-4,1e-1))", "8 trials", "smoke-history", "Map of valid_rmse"):
        assert word in search or (outputs / "smoke" / "report" / f"{word}.png").is_file()
    (run,) = (outputs / "run").iterdir()
    assert "The run" in report([run]).read_text()
    assert {"smoke", "single runs"} <= {sweep.name for sweep in gather([outputs]).sweeps}
    with blank_pictures():
        assert report([outputs / "smoke", outputs / "run"]) == outputs.resolve() / "report.html"


def test_the_post_is_recognised_and_judged_as_far_as_there_are_curves(harmonic_command: CommandLine) -> None:
    harmonic_command("-cn", "post", "seed=range(0,3)")
    home = harmonic_command.folder / "outputs" / "post"
    content = report([home]).read_text()
    assert "41 printed losses" in content
    assert (home / "report" / "post-bands.png").is_file()
    verdict = post.judge(harmonic.load_runs(home), harmonic.load_curves(home))
    assert verdict is not None
    assert 0 <= verdict.outside <= 41
    assert 0 <= verdict.chance <= 1
    for part in (home / tables.FOLDER).glob("curves-*.parquet"):
        part.write_bytes(part.read_bytes()[:100])
    with blank_pictures():
        content = report([home]).read_text()  # smaller, and says why
    assert "Left out" in content
    assert "41 printed losses" not in content
    assert "The best configurations" in content


@pytest.fixture
def no_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """harmonic without any plugin."""
    references.references()  # loads them, which happens once
    monkeypatch.setattr(references, "_registered", {})


def posts_runs(home: Path) -> Path:
    """A sweep of the post's configurations, three seeds each."""
    names = [f"+experiment={name}" for name in post.EXPERIMENTS]
    return sweep(home, [record([name, f"seed={seed}"]) for name in names for seed in range(3)])


def words(found: Sequence[Section]) -> str:
    """All that sections say."""
    return json.dumps([str(block) for section in found for block in section.blocks])


@pytest.mark.usefixtures("no_references")
def test_without_a_plugin_a_report_of_the_posts_runs_has_no_word_of_the_post(tmp_path: Path) -> None:
    page = report([posts_runs(tmp_path / "mine")])
    content = re.sub(r'(src="data:[^"]*"|<script.*?</script>|<style.*?</style>)', "", page.read_text(), flags=re.DOTALL)
    assert "post" not in content
    assert all(title in content for title in ("Dense against sparse", "What was swept", "Training"))
    assert not [path.name for path in page.with_suffix("").glob("*post*")]


def test_the_post_adds_its_sections_and_stands_beside_other_runs(tmp_path: Path) -> None:
    home = posts_runs(tmp_path / "mine")
    titles = [one.title for one in sections(gather([home]), lambda _step: None, 8)]
    assert "The post reproduced" in titles
    assert "Training" not in titles  # its section shows it
    other = sweep(tmp_path / "other", [record([f"model.width={width}"]) for width in (2, 4)])
    found = sections(gather([other]), lambda _step: None, 8)
    assert "The post reproduced" not in [one.title for one in found]
    assert "Black marks are medians of the post's configurations" in words(found)


class Theirs:
    """A published result of somebody else's: one configuration, and no section of its own."""

    name = "the paper"
    markers: ClassVar[dict[str, str]] = {"wide": "*"}
    origin = "errors are those of its Table 1"

    def label(self, runs: pd.DataFrame) -> pd.Series:
        labels = pd.Series(pd.NA, index=runs.index, dtype="str")
        labels[runs["model.width"] == 8] = "wide"
        return labels

    def published(self) -> pd.DataFrame:
        return pd.DataFrame({"experiment": [], "step": [], "loss": []})

    def baselines(self) -> pd.DataFrame:
        return pd.DataFrame({"experiment": "wide", "seed": range(5), "dense_rmse": 0.5, "sparse_rmse": 2.0})

    def shares_data(self, runs: pd.DataFrame) -> bool:
        return len(runs) > 0

    def predict(self, grid: pd.DataFrame) -> references.Prediction | None:
        return references.Prediction("wide", 3, np.zeros(len(grid), np.float32))


@pytest.mark.usefixtures("no_references")
def test_a_reference_of_somebody_elses_is_shown_as_the_post_is(tmp_path: Path) -> None:
    references.register(Theirs())
    assert references.references() != ()
    narrow = sweep(tmp_path / "narrow", [record([f"model.width={width}"]) for width in (2, 4)])
    found = sections(gather([narrow]), lambda _step: None, 8)
    assert "For reference: wide of the paper, whose errors are those of its Table 1 and are no runs" in words(found)
    assert "Black marks are medians of the paper's configurations (wide for reference" in words(found)
    (grid,) = [block for section in found[:2] for block in section.blocks if isinstance(block, Grid)]
    assert [row[:2] for row in grid.rows] == [["wide, reference, 5 seeds", "5"], ["narrow, by valid_rmse", "1"]]
    wide = sweep(tmp_path / "wide", [record(["model.width=8", f"seed={seed}"]) for seed in range(2)])
    assert by_title(gather([wide]))["Training"]  # it has no section of its own that would show it
    assert "The best of wide is wide." in words(sections(gather([wide, narrow]), lambda _step: None, 8))


def test_chance_gives_what_chance_gives() -> None:
    """Runs that are exchangeable with the published: as many or more outside in half of the cases, on average."""
    rng = np.random.default_rng(0)
    published = post.published()
    rows = []
    for experiment, printed in published.groupby("experiment", sort=False):
        for seed in range(30):
            losses = printed["loss"] * np.exp(rng.normal() * 0.1 + rng.normal(size=len(printed)) * 0.01)
            rows.append(pd.DataFrame({"run": f"{experiment}{seed}", "step": printed["step"], "loss": losses}))
    curves = pd.concat(rows)
    names = curves["run"].drop_duplicates()
    labels = names.str.extract(r"(post_[a-z]+)")[0]
    runs = pd.DataFrame({"run": names, "status": "complete", "experiment": labels})
    with pytest.MonkeyPatch.context() as patch:
        for module in ("experiments", "losses"):
            patch.setattr(f"harmonic.post.{module}.label", lambda table: table["experiment"])
        inside = post.judge(runs, curves)
        far = post.judge(runs, curves.assign(loss=curves["loss"] * 3))
    assert inside is not None
    assert inside.chance > 0.05
    assert far is not None
    assert far.outside == 41
    assert far.chance < 0.01


@pytest.mark.usefixtures("undrawn")
def test_bad_input_is_a_line(tmp_path: Path, grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "must be an existing folder" in refused(capsys, str(tmp_path / "nowhere"))
    assert "at least one run" in refused(capsys, str(empty))
    (tmp_path / "page" / "report.html").mkdir(parents=True)
    assert "is a folder" in refused(capsys, str(grid), "-o", str(tmp_path / "page"))
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "report").write_text("in the way")
    assert "is a file" in refused(capsys, str(grid), "-o", str(tmp_path / "figures"))


@pytest.mark.usefixtures("undrawn")
def test_runs_of_other_versions_and_shapes_lie_side_by_side(
    harmonic_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = harmonic_command.folder / "outputs"
    harmonic_command("-m", "seed=0,1", f"hydra.sweep.dir={home}/old", *SMALL)
    monkeypatch.setattr("harmonic.results.record.__version__", "0.0.7")
    other = ("~model", "+model={_target_: helpers.Dropping, width: 4}", "optimizer._target_=torch.optim.Rprop")
    harmonic_command("-m", "seed=0,1", f"hydra.sweep.dir={home}/new", *other, "optimizer.lr=1e-3", *SMALL)
    assert set(harmonic.load_runs(home)["version"]) == {"0.0.7", harmonic.__version__}
    content = report([home]).read_text()
    assert all(text in content for text in ("0.0.7", "helpers.Dropping", "Rprop"))
    refusal = "must hold harmonic&#39;s own network unless trust=True, .*; got helpers.Dropping"
    assert re.search(f"There are no maps: .*{refusal}", content)


def test_only_failed_runs_give_a_smaller_report(harmonic_command: CommandLine) -> None:
    home = harmonic_command.folder / "bad"
    harmonic_command("-m", "optimizer.lr=1e9,1e10", f"hydra.sweep.dir={home}", *SMALL)
    content = report([home]).read_text()
    assert "No run was completed" in content
    assert "Failures by cause" in content


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two sweeps in one folder, and instead of all that a report shows a picture by the number of runs and one more."""

    def pictures_alone(data: ReportData, *_: object) -> list[Section]:
        names = (f"of-{len(data.runs)}", "always")
        return [Section("pictures", [Figure(name, Drawing(figsize=(1, 1)), "alt", "caption") for name in names])]

    monkeypatch.setattr("harmonic.reports.sections.sections", pictures_alone)
    a = sweep(tmp_path / "a", [record([f"model.width={width}"]) for width in (2, 4, 8)])
    return a, sweep(tmp_path / "b", [record([f"model.width={width}"]) for width in (2, 4)])


def pictures(page: Path) -> set[str]:
    return {path.name for path in page.with_suffix("").glob("*.png")}


def test_other_folders_have_another_page_and_the_same_the_same(two: tuple[Path, Path]) -> None:
    a, b = two
    sweep(a.parent / "c", [record()])
    first = report([a, b])
    assert first == a.parent / "report.html"
    before = first.read_bytes()
    other = report([b, a.parent / "c"])
    assert other == a.parent / "report-b-c.html"
    assert first.read_bytes() == before
    assert report([b, a]) == first
    assert report([b, a.parent / "c"]) == other
    everything = report([a.parent])
    assert everything not in (first, other)
    assert report([a.parent / "c", b], a.parent) == other
    # names that give the same file name are told apart
    sweep(a.parent / "a-b", [record()])
    sweep(a.parent / "c-a", [record()])
    assert len({report([a.parent / one, a.parent / two]) for one, two in (("a-b", "c"), ("b", "c-a"))} | {other}) == 3


def test_pictures_of_the_former_report_go_and_all_else_stays(two: tuple[Path, Path]) -> None:
    a, _ = two
    page = report([a])
    former = pictures(page)
    folder = page.with_suffix("")
    mine = {"mine.png": b"mine", "notes.txt": b"notes"}
    for name, content in mine.items():
        (folder / name).write_bytes(content)
    shutil.rmtree(a / tables.FOLDER)
    sweep(a, [record(["model.width=2"]), record(["model.width=4"])])
    assert report([a]) == page
    assert former - pictures(page) == {"of-3.png"}
    for name, content in mine.items():
        assert (folder / name).read_bytes() == content
    # a picture that somebody changed is theirs
    (folder / "of-2.png").write_bytes(b"mine")
    shutil.rmtree(a / tables.FOLDER)
    sweep(a, [record()])
    report([a])
    assert pictures(page) == {"mine.png", "of-1.png", "of-2.png", "always.png"}


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"{", b'{"of": 1, "pictures": {"../a.png": "0", "notes.txt": "0"}}', b'{"pictures": [1]}', b"\xff"],
)
def test_a_manifest_may_hold_anything(two: tuple[Path, Path], manifest: bytes) -> None:
    a, _ = two
    page = report([a])
    before = pictures(page)
    (a / "a.png").write_bytes(b"mine")
    page.with_suffix("").joinpath(MANIFEST).write_bytes(manifest)
    assert report([a]) == page  # by its title
    assert pictures(page) == before
    assert (a / "a.png").read_bytes() == b"mine"


def test_a_page_that_is_not_ours_stays(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    a, _ = two
    (a / "report.html").write_text("mine")
    main([str(a)])
    said = capsys.readouterr()
    assert said.out.strip() == str(a / "report-a.html")
    assert f"'{a / 'report.html'}' is not of these folders and stays" in said.err
    for other in a.glob("*.html"):
        other.write_text("mine")
        shutil.rmtree(other.with_suffix(""), ignore_errors=True)
    main([str(a)])
    (third,) = set(a.glob("*.html")) - {a / "report.html", a / "report-a.html"}
    shutil.rmtree(third.with_suffix(""))
    third.write_text("mine")
    assert "needs a free name" in refused(capsys, str(a))
    assert {path.read_text() for path in a.glob("*.html")} == {"mine"}


def test_a_sweep_that_is_called_report_is_no_place_for_pictures(two: tuple[Path, Path]) -> None:
    named = sweep(two[0].parent / "report", [record(), record(["model.width=2"])])
    before = files(named)
    page = report([named.parent])
    assert page.parent == named.parent
    assert files(named) == before
    assert pictures(page)


def test_a_report_is_the_same_however_its_folder_is_named(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = two
    (a.parent / "link").symlink_to(a)
    (a.parent / "elsewhere").mkdir()
    expected = report([a])
    rows = table_of(expected.read_text())["rows"]
    assert sorted(str(row[-2]) for row in rows) == ["0", "1", "2"]  # the links to the runs
    monkeypatch.chdir(a.parent)
    for text in ("a", "a/", "./a", "b/../a", "link", "link/"):
        page = report([Path(text)])
        assert page.resolve() == expected.resolve(), text
        assert table_of(page.read_text())["rows"] == rows
    for inside, text in ((a, "."), (b, "../a"), (a.parent / "elsewhere", "../link")):
        monkeypatch.chdir(inside)
        assert report([Path(text)]).resolve() == expected.resolve()
    assert report([Path("../a"), Path("../b/")]) == a.parent / "report.html"
    assert report([Path("../link"), Path("../b")]) == a.parent / "report.html"
    assert sorted(path.name for path in a.parent.rglob("*.html")) == ["report.html"] * 2


def overrides(texts: Sequence[str]) -> set[str]:
    """The jobs that a command asks for, seeds and all, each in one text."""
    jobs = set[str]()
    for text in texts:
        for one in text.split(" && "):
            parts = [word for word in shlex.split(one)[1:] if word != "-m"]
            swept = [
                [f"{key}={value}" for value in values.split(",")]
                for key, _, values in (part.partition("=") for part in parts)
            ]
            jobs |= {" ".join(sorted(job)) for job in product(*swept)}
    return jobs


@pytest.mark.parametrize(
    "seeds",
    [
        [("seed=0", f"data.seed={s}") for s in range(3)],
        [(f"seed={s}", f"data.seed={d}", f"model.seed={d}") for s, d in ((0, 4), (0, 5), (1, 4))],
        [("seed=0",), ("seed=1", "data.seed=7")],
        [(f"seed={s}", "model.seed=1") for s in range(3)],
    ],
)  # fmt: skip
def test_commands_have_the_seeds_of_their_runs_whichever_they_are(tmp_path: Path, seeds: list[tuple[str, ...]]) -> None:
    runs = harmonic.load_runs(sweep(tmp_path / "s", [record(["model.width=3", *one]) for one in seeds]))
    expected = {" ".join(sorted(["model.width=3", *one])) for one in seeds}
    assert overrides([command(runs)]) == overrides(commands(runs)) == expected


def test_the_posts_configurations_have_one_median_on_a_page(tmp_path: Path) -> None:
    mine = [record(["+experiment=post_deep", f"seed={seed}"]) for seed in range(4)]
    other = [record(["model.width=9", f"seed={seed}"]) for seed in range(2)]
    a, b = sweep(tmp_path / "a", mine), sweep(tmp_path / "b", [*mine[:2], *other])
    data = gather([a, b])
    (section,) = [one for one in sections(data, lambda _step: None, 8) if one.title == "Dense against sparse"]
    (grid,) = [one for one in section.blocks if isinstance(one, Grid)]
    assert [row[:2] for row in grid.rows] == [
        ["post_sgd, reference, 64 seeds", "64"], ["post_adam, reference, 64 seeds", "64"],
        ["post_deep, 4 seeds", "4"], ["b, by valid_rmse, its 2 seeds", "2"],
    ]  # fmt: skip
    figure = next(one for one in section.blocks if isinstance(one, Figure))
    assert "post_sgd, post_adam of the post, whose seeds 0 to 63 ship with harmonic" in figure.caption
    assert "The best of a is post_deep." in figure.caption
    assert "the error of predicting zero, 1 in both regions" in figure.caption


@pytest.mark.usefixtures("undrawn")
def test_without_a_common_law_there_is_no_line_for_predicting_zero_and_no_reference(tmp_path: Path) -> None:
    theirs = {"_target_": "somebody.Law", "scale": "wide"}
    runs = [record([f"seed={seed}"]) for seed in range(3)]
    config = {**runs[0].config, **{f"data.{key}": value for key, value in theirs.items()}}
    foreign = replace(runs[0], row={**runs[0].row, "run": "other"}, config=config)
    page = report([sweep(tmp_path / "a", [*runs, foreign])]).read_text()
    assert "There is no line for predicting zero" in page
    assert "reference" not in page


def test_a_search_of_several_objectives_shows_its_front(tmp_path: Path) -> None:
    names = ["objective=[dense_rmse,sparse_rmse]"]
    values = {2: (1.0, 3.0), 4: (2.0, 1.0), 8: (3.0, 3.0)}
    records = [
        record([*names, f"model.width={width}"], dense_rmse=dense, sparse_rmse=sparse)
        for width, (dense, sparse) in values.items()
    ]
    home = sweep(tmp_path / "s", records)
    note = {"hydra": {"sweeper": {"n_trials": 3, "direction": "minimize"}, "job": {"config_name": "pareto"}}}
    (home / "multirun.yaml").write_text(json.dumps(note))

    def blocks() -> dict[str, Section]:
        return {one.title: one for one in sections(gather([home]), lambda _step: None, 8)}

    assert "of its Pareto front nothing is known yet" in str(blocks()["The best configurations"].blocks)
    tables.write_front(home / tables.FOLDER, {str(one.row["run"]): index < 2 for index, one in enumerate(records)})
    grid, _text = blocks()["The Pareto front"].blocks
    assert isinstance(grid, Grid)
    assert [row[:4] for row in grid.rows] == [["0", "2", "1", "3"], ["1", "4", "2", "1"]]
    facts = blocks()["s"].blocks[0]
    assert isinstance(facts, Facts)
    assert facts.facts["objective"] == "minimize dense_rmse, minimize sparse_rmse"
    (history,) = [one for one in blocks()["What was swept"].blocks if isinstance(one, Figure) and "history" in one.name]
    assert "Of the 2 objectives the first alone" in history.caption


def altered(home: Path, column: str, value: object) -> None:
    """Set a column of all rows of a table, or take it out."""
    (part,) = (home / tables.FOLDER).glob("runs-*.parquet")
    table = pq.read_table(part)
    at = table.column_names.index(column)
    kind = table[column].type
    kept = table.remove_column(at)
    if value is not DROPPED:
        kept = kept.add_column(at, column, pa.array([value] * len(table), kind if value is None else None))
    pq.write_table(kept, part, write_page_checksum=True)


DROPPED = object()
ODD = [
    ("dir", "a\0b"), ("dir", "../.."), ("sweep", "a\0b"), ("sweep", "x" * 5000), ("sweep", "\U0001f600" * 250),
    ("seed", None), ("training.steps", DROPPED), ("training.steps", None), ("data.scale", 1e300), ("data.scale", "x"),
    ("region.mass", 7.0), ("region.mass", DROPPED), ("train_s", math.inf), ("train_s", None), ("objective", "[x"),
    ("objective", "nothing"), ("objective", DROPPED), ("trial", None), ("dense_rmse", None), ("dense_rmse", math.inf),
    ("valid_rmse", math.nan), ("error", None), ("version", None), ("run", "one"), ("status", "odd"), ("started", None),
]  # fmt: skip


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("column", "value"), ODD)
def test_an_odd_table_is_a_report_or_a_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    column: str,
    value: object,
) -> None:
    home = sweep(tmp_path / "s", [record([f"model.width={w}", f"seed={s}"]) for w in (2, 4, 8) for s in range(2)])
    altered(home, column, value)
    code = 0
    try:
        main([str(home)])
    except SystemExit as leaving:
        code = int(str(leaving.code))
    assert code in (0, 2)
    assert code == 0 or capsys.readouterr().err.count("\n") == 1
    assert (home / "report.html").is_file() == (code == 0)


def test_a_folder_whose_rows_are_all_left_out_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = sweep(tmp_path / "s", [record()])
    (part,) = (home / tables.FOLDER).glob("runs-*.parquet")
    part.write_bytes(part.read_bytes()[:100])
    line = refused(capsys, str(home))
    assert f"left out '{part}'" in line


def test_each_sweep_has_figures_of_its_own_however_alike_the_names(tmp_path: Path) -> None:
    names = ["a b", "a-b", "a+b", "a" * 200, "a" * 201, "runs", "single-runs"]
    for name in names:
        sweep(tmp_path / name, [record()])
    sweep(tmp_path / "one", [record(sweep=None)])
    stems = [one.stem for one in gather([tmp_path]).sweeps]
    assert len(set(stems)) == len(names) + 1
    assert max(map(len, stems)) < 60


def by_title(data: ReportData) -> dict[str, list[Block]]:
    """The blocks of each section of a report."""
    return {one.title: one.blocks for one in sections(data, lambda _step: None, 8)}


def test_captions_say_what_there_is(tmp_path: Path) -> None:
    widths = [record([f"model.width={width}"]) for width in (2, 4, 8)]
    single = by_title(gather([sweep(tmp_path / "single", widths)]))
    captions = [block.caption for block in single["What was swept"] if isinstance(block, Figure)]
    assert captions
    assert all("seeds" not in caption for caption in captions)
    (curves,) = single["Training"]
    assert isinstance(curves, Figure)
    assert curves.caption == "One run each."
    uneven = [record([f"model.width={width}", f"seed={s}"]) for width, n in ((2, 5), (4, 3)) for s in range(n)]
    diverged = [record(["model.width=8", f"seed={s}"], "diverged") for s in range(3)]
    mixed = by_title(gather([sweep(tmp_path / "mixed", [*uneven, *diverged])]))
    *_, text = mixed["The best configurations"]
    assert isinstance(text, Text)
    assert text.text == (
        "Of 3 configurations 2 are compared over 3 seeds. 1 is left out, for none of its runs was completed."
    )
    (curves,) = mixed["Training"]
    assert isinstance(curves, Figure)
    assert curves.caption == (
        "Median and the range of the seeds (their number in brackets); without the 3 that were not completed."
    )
    (no_maps,) = mixed["The networks"]
    assert isinstance(no_maps, Text)
    assert "parameters are not in the folders" in no_maps.text


def test_the_ring_is_at_the_best_or_nowhere() -> None:
    table = pd.DataFrame(
        {"optimizer.weight_decay": [math.nan, 0.1, 0.2], "model.width": [8.0, 9.0, 10.0], "mean": [1.0, 2.0, 3.0]}
    )
    panels = figures.slices(table, ["optimizer.weight_decay", "model.width"], "mean").axes
    rings = [[line for line in axes.lines if line.get_markeredgecolor() == BEST] for axes in panels[:2]]
    assert [len(one) for one in rings] == [0, 1]
    assert float(np.asarray(rings[1][0].get_ydata())[0]) == 1.0
