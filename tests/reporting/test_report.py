"""A report is one file that opens without a network, holds what a reader asks for, and runs nothing of anybody's."""

from __future__ import annotations

import math
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.analysis import groups, reference_figures
from recdash.errors import UsageError
from recdash.published import figures
from recdash.reporting import content, label_placement, render, svg
from recdash.reporting import tables as written
from recdash.services import compare, launch, report, results
from tests.analysis.test_groups import record

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9)


class Page(HTMLParser):
    """Collects tags and words, and complains about tags that do not match."""

    VOID = ("meta", "br", "line", "circle")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def made(here, small) -> content.ComparisonReport:
    compare.start(compare.requests("toy", ["ease", "popularity", "multvae"], settings=small, seeds=[1, 2]))
    return report.make(dataset="toy")


def test_the_html_needs_no_network_and_no_script(made) -> None:
    page = Page(render.text(made, "html"))
    kinds = {tag for tag, _ in page.tags}
    assert "svg" in kinds and not kinds & {"script", "link", "img", "iframe", "object", "embed"}
    assert all("src" not in attributes and "onclick" not in attributes for _, attributes in page.tags)
    style = "".join(word for word in page.words if "@media" in word)
    assert style and "url(" not in style and "@import" not in style


def test_it_holds_tables_intervals_curves_settings_data_versions_seeds_and_latex(made) -> None:
    said = " ".join(Page(render.text(made, "html")).words)
    group = made.sections[0].group
    value = group.rows[0].metrics["ndcg@100"]
    for wanted in (
        f"{value.mean:.4f} ± {(value.high - value.low) / 2:.4f}",
        "NDCG@100 on the validation users, a ring at the best epoch",
        "KL divergence",
        "Training time: joined by dots",
        "NDCG@100 by interactions of the user",
        "NDCG@100 by training users of the item",
        "beta_cap",
        group.split_fingerprint,
        group.dataset_fingerprint,
        "torch",
        "split seed",
        "paired bootstrap",
        "mean over split seeds 1, 2",
        r"\begin{tabular}",
        "Recall@20 (min)",
        "Only 30 test users",
    ):
        assert wanted in said, wanted
    assert len(made.sections) == 2 and "which may not be compared" in said


def test_every_table_of_a_report_is_of_one_split(made) -> None:
    for section in made.sections:
        assert len({row.run.split_fingerprint for row in section.group.rows}) == 1
    tables = render.text(made, "latex").count(r"\begin{tabular}")
    assert tables == 3, "one for each split, one of the means"


def test_markdown_has_whole_tables_and_curves_in_words(made) -> None:
    text = render.text(made, "md")
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({line.count("|") - line.count("\\|") for line in block.splitlines()}) == 1
    assert text.count("## toy, strong, split seed") == 2
    assert re.search(r"\| Mult-VAE \| NDCG@100 \| [▁-█]{2,} \|", text)
    assert "```latex" in text


def test_a_name_is_words_and_nothing_else(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"]))
    launch.rename(run.id, "<script>alert(1)</script>")
    launch.annotate(run.id, "<img src=x onerror=alert(1)>")
    kinds = {tag for tag, _ in Page(render.text(report.make(), "html")).tags}
    assert not kinds & {"script", "img"}


def test_nothing_to_report_and_unknown_forms_are_said(here) -> None:
    with pytest.raises(UsageError, match="nothing to report"):
        report.make(dataset="toy")
    with pytest.raises(UsageError, match=r"\.html, \.md, \.tex"):
        render.form_of(Path("report.pdf"))
    assert [render.form_of(Path(name)) for name in ("a.HTML", "b.md", "c.tex")] == ["html", "md", "latex"]


def test_a_run_of_an_earlier_version_leaves_blanks(here) -> None:
    from recdash.runs.run_folder import RunFolder

    (run,) = compare.start(compare.requests("toy", ["ease"]))
    for name in ("facts.npz", "per_user.npz"):
        (RunFolder(run.id).path / name).unlink()
    text = render.text(report.make(), "html")
    assert "EASE" in text and "by interactions of the user" not in text


def test_rating_models_have_a_report_of_their_own_task(here) -> None:
    compare.start(compare.requests("toy", ["bias", "autorec"], protocol="ratings-90", epochs=3))
    said = " ".join(Page(render.text(report.make(), "html")).words)
    assert "RMSE (lower is better)" in said and "RMSE by training users of the item" in said


def test_runs_of_one_model_have_names_that_differ(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    compare.start(compare.requests("toy", ["ease"], settings={"l2": 3.0}))
    compare.start(compare.requests("toy", ["popularity"]))
    (group,) = results.groups()
    names = list(groups.run_labels(group.rows).values())
    assert len(set(names)) == 3 and "Popularity" in names and any("l2 3.0" in name for name in names)


def of(dataset: str, protocol: str = "strong", **metrics: float) -> groups.Group:
    fields = {"model": "ease", "dataset": dataset, "protocol": protocol, "split_seed": 1, "seed": 0}
    run = record(0, **fields, split_fingerprint="s", dataset_fingerprint="d")
    run = type(run)(**{**vars(run), "metrics": {"ndcg@100": 0.42, **metrics}})
    return groups.group_runs([run])[0]


def test_published_figures_stand_beside_ours_and_are_marked() -> None:
    group = of("ml-20m")
    found = reference_figures.beside(group, ["ndcg@100"])
    rows = found[0].rows
    assert found[0].split == "liang-2018"
    ease = next(row for row in rows if row.model == "ease")
    assert ease.values["ndcg@100"] == pytest.approx(0.420, abs=0.001)
    assert all("published, not rerun" in row.status for table in found for row in table.rows)
    for table in found:
        values = [row.values["ndcg@100"] for row in table.rows]
        assert values == sorted(values, reverse=True)
    for form in ("table", "md", "latex"):
        text = results.export([group], form)
        assert text.count("published, not rerun") > sum(len(table.rows) for table in found) and "Steck" in text
    csv = results.export([group], "csv")
    assert "published" not in csv, "a file of our numbers holds our numbers"


TABLES_IN = {
    "table": r"^Published model.*\n(?:.+\n)*",
    "md": r"(?:^\| Published model.*\n)(?:^\|.*\n)+",
    "latex": r"\\begin\{tabular\}[^%]*Published model(?s:.*?)\\end\{tabular\}",
    "html": r"<table><thead><tr><th>Model</th>[^\n]*?</table>",
}
SAFE = {"latex": written.tex, "html": escape}


@pytest.mark.parametrize("form", TABLES_IN)
def test_no_written_table_mixes_two_splits_and_each_has_its_caption(form: str) -> None:
    group, safe = of("ml-20m"), SAFE.get(form, str)
    text = render.text(report.of_groups([group]), "html") if form == "html" else results.export([group], form)
    found = reference_figures.beside(group, None if form == "html" else ["ndcg@100"])
    rows = [(table.split, safe(row.title), safe(row.source)) for table in found for row in table.rows]
    seen = []
    for block in re.findall(TABLES_IN[form], f"{text}\n", flags=re.MULTILINE):
        lines = block.replace("<tr>", "\n").splitlines()
        seen.append({split for split, title, source in rows for line in lines if title in line and source in line})
    seen = [splits for splits in seen if splits]  # our own table is of none
    assert sorted(map(sorted, seen)) == sorted([table.split] for table in found) and len(found) == 5
    for table in found:
        assert table.title in text and (escape(table.about) if form == "html" else table.about) in text


EVERY_TABLE = sorted({(figure.dataset, figure.protocol) for figure in figures.figures()})


@pytest.mark.parametrize(("dataset", "protocol"), EVERY_TABLE)
def test_no_published_table_holds_two_splits(dataset: str, protocol: str) -> None:
    for table in reference_figures.beside(of(dataset, protocol)):
        for row in table.rows:
            same = {"dataset": dataset, "protocol": protocol, "model": row.model, "on": "test", "as_published": False}
            of_row = [
                figure for figure in figures.figures(**same) if (figure.source, figure.title) == (row.source, row.title)
            ]
            values = {(figure.metric, figure.value) for figure in of_row if figure.split == table.split}
            assert set(row.values.items()) <= values, "a figure stands in the table of another split"


def test_every_row_of_the_json_answer_names_its_split() -> None:
    found = [row for table in reference_figures.beside(of("ml-20m")) for row in table.to_dicts()]
    assert {row["split"] for row in found if row["model"] == "vasp"} == {"vasp"}
    assert all(row["split_about"] == figures.splits()[row["split"]].about and row["status"] for row in found)


def test_nothing_published_is_nothing_beside() -> None:
    assert reference_figures.beside(of("demo")) == [] and "published" not in results.export([of("demo")], "table")
    assert reference_figures.beside(of("ml-20m", "strong-temporal")) == []


def test_figures_with_a_known_mistake_never_stand_beside_ours() -> None:
    wrong = {(figure.source, figure.value) for figure in figures.figures(as_published=True)}
    for dataset, protocol in EVERY_TABLE:
        for table in reference_figures.beside(of(dataset, protocol)):
            for row in table.rows:
                assert not {(row.source, value) for value in row.values.values()} & wrong


@given(VALUES, st.booleans())
def test_ticks_lie_between_the_ends_and_are_few(values: list[float], log: bool) -> None:
    values = [abs(value) + 1e-3 for value in values] if log else values
    scale = svg.Scale(values, 0, 100, log=log)
    ticks = scale.ticks()
    assert 0 < len(ticks) <= 9
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in ticks)
    assert all(0 <= scale(value) <= 100 for value in values)


def test_pictures_are_whole_even_of_odd_values() -> None:
    marks = [svg.Mark("<a> & b", "#000000", 0.5, 0.5, 0.5, 1.0)]
    lines = [svg.Line("x", "#000000", [(1, math.nan), (2, 1.0), (3, 1.0), (4, math.nan), (5, 2.0)], 3)]
    for picture in (
        svg.intervals(marks, "NDCG"),
        svg.scatter(marks, "NDCG", "seconds", front=marks, log=True),
        svg.curves(lines, "loss"),
        svg.curves([svg.Line("x", "#000000", [(1, math.nan)])], "loss"),
    ):
        ElementTree.fromstring(picture)
        assert "nan" not in picture
    assert svg.curves(lines, "loss").count("M") >= 2, "a gap is not drawn over"


def test_a_curve_is_a_word() -> None:
    assert svg.sparkline([1, 2, 3]) == "▁▅█" or svg.sparkline([1, 2, 3]) == "▁▄█"
    assert svg.sparkline([math.nan, 1.0]) == " ▁" and svg.sparkline([]) == ""
    assert len(svg.sparkline(list(range(1000)))) <= 24


def test_labels_of_points_side_by_side_do_not_cover_each_other() -> None:
    points, texts = [(100.0, 100.0), (104.0, 102.0), (98.0, 105.0)], ["EASE", "Mult-VAE", "CDAE"]
    found = label_placement.places(points, texts)
    assert len(set(found)) == 3 and found[0] in label_placement.PLACES
    assert label_placement.places([(0.0, 0.0)], ["alone"], "bottom right") == ["bottom right"]
