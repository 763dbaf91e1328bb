"""A report is one file that needs no network, has every part a reader expects, and escapes all text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import escape

from recdash.analysis import groups, reference_figures
from recdash.analysis.run_labels import run_labels
from recdash.errors import UsageError
from recdash.published import figures
from recdash.reporting import content, render, table_format
from recdash.services import compare, report, results, runs
from tests.analysis.test_groups import record


class Page(HTMLParser):
    """Collects tags and words, and fails on tags that do not match."""

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
    return report.create(dataset="toy")


def test_the_html_needs_no_network_and_no_script(made) -> None:
    page = Page(render.render(made, "html"))
    kinds = {tag for tag, _ in page.tags}
    assert "svg" in kinds and not kinds & {"script", "link", "img", "iframe", "object", "embed"}
    assert all("src" not in attributes and "onclick" not in attributes for _, attributes in page.tags)
    style = "".join(word for word in page.words if "@media" in word)
    assert style and "url(" not in style and "@import" not in style


def test_it_holds_tables_intervals_curves_settings_data_versions_seeds_and_latex(made) -> None:
    said = " ".join(Page(render.render(made, "html")).words)
    group = made.sections[0].group
    value = group.rows[0].metrics["ndcg@100"]
    for wanted in (
        f"{value.mean:.4f} ± {(value.high - value.low) / 2:.4f}",
        "NDCG@100 after each epoch, on the validation part of toy, strong, split seed 1. A ring marks the best epoch.",
        "KL divergence in nats per user",
        "NDCG@100 on the test users against seconds of training (logarithmic axis). Training only,",
        "The dotted line is the Pareto front: no other run is better at lower cost.",
        "NDCG@100 by number of fold-in items",
        "NDCG@100 by number of training users of the item",
        "beta_cap",
        group.split_fingerprint,
        group.dataset_fingerprint,
        "torch",
        "split seed",
        "paired bootstrap",
        "mean over split seeds 1, 2",
        r"\begin{tabular}",
        "Recall@20 (min)",
        "With only 30 test users",
    ):
        assert wanted in said, wanted
    assert len(made.sections) == 2 and "The 2 tables are not comparable." in said


def test_every_table_of_a_report_is_of_one_split(made) -> None:
    for section in made.sections:
        assert len({row.run.split_fingerprint for row in section.group.rows}) == 1
    tables = render.render(made, "latex").count(r"\begin{tabular}")
    assert tables == 3, "one for each split, one of the means"


def test_markdown_has_whole_tables_and_sparklines(made) -> None:
    text = render.render(made, "md")
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({line.count("|") - line.count("\\|") for line in block.splitlines()}) == 1
    assert text.count("## toy, strong, split seed") == 2
    assert re.search(r"\| Mult-VAE +\| NDCG@100 +\| [▁-█]{2,} +\|", text)
    assert "```latex" in text


def test_a_run_name_is_escaped(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"]))
    runs.rename(run.id, "<script>alert(1)</script>")
    runs.annotate(run.id, "<img src=x onerror=alert(1)>")
    text = render.render(report.create(), "html")
    assert not {tag for tag, _ in Page(text).tags} & {"script", "img"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text, "the name itself is shown"
    assert "&amp;lt;" not in text, "the name is escaped twice"


def test_an_empty_report_and_an_unknown_format_are_refused(here) -> None:
    with pytest.raises(UsageError, match="nothing to report"):
        report.create(dataset="toy")
    with pytest.raises(UsageError, match=r"\.html, \.md, \.tex"):
        render.format_of(Path("report.pdf"))
    assert [render.format_of(Path(name)) for name in ("a.HTML", "b.md", "c.tex")] == ["html", "md", "latex"]


def test_a_run_of_an_earlier_version_leaves_blanks(here) -> None:
    from recdash.runs.run_folder import RunFolder

    (run,) = compare.start(compare.requests("toy", ["ease"]))
    for name in ("facts.npz", "per_user.npz"):
        (RunFolder(run.id).path / name).unlink()
    text = render.render(report.create(), "html")
    assert "EASE" in text and "interactions of the user" not in text


def test_rating_models_have_a_report_of_their_own_task(here) -> None:
    compare.start(compare.requests("toy", ["bias", "autorec"], protocol="ratings-90", epochs=3))
    said = " ".join(Page(render.render(report.create(), "html")).words)
    assert "RMSE (lower is better)" in said and "RMSE by number of training users of the item" in said


def test_runs_of_one_model_have_names_that_differ(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    compare.start(compare.requests("toy", ["ease"], settings={"l2": 3.0}))
    compare.start(compare.requests("toy", ["popularity"]))
    (group,) = results.groups()
    names = list(run_labels([row.run for row in group.rows]).values())
    assert len(set(names)) == 3 and "Popularity" in names and "EASE, l2 3" in names


def of(dataset: str, protocol: str = "strong", **metrics: float) -> groups.Group:
    fields = {"model": "ease", "dataset": dataset, "protocol": protocol, "split_seed": 1, "seed": 0}
    run = record(0, **fields, split_fingerprint="s", dataset_fingerprint="d")
    run = type(run)(**{**vars(run), "metrics": {"ndcg@100": 0.42, **metrics}})
    return groups.group_runs([run])[0]


def test_published_figures_are_in_tables_of_their_own_and_marked() -> None:
    group = of("ml-20m")
    found = reference_figures.for_group(group, ["ndcg@100"])
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
    "html": r"<table>\n<thead><tr><th>Model</th>(?s:.*?)</table>",
}
SAFE = {"latex": table_format.escape_latex, "html": escape}


@pytest.mark.parametrize("form", TABLES_IN)
def test_no_written_table_mixes_two_splits_and_each_has_its_caption(form: str) -> None:
    group, safe = of("ml-20m"), SAFE.get(form, str)
    text = render.render(report.from_groups([group]), "html") if form == "html" else results.export([group], form)
    found = reference_figures.for_group(group, None if form == "html" else ["ndcg@100"])
    rows = [(table.split, safe(row.title), safe(row.source)) for table in found for row in table.rows]
    seen = []
    for block in re.findall(TABLES_IN[form], f"{text}\n", flags=re.MULTILINE):
        lines = block.replace("<tr>", "\n").splitlines()
        seen.append({split for split, title, source in rows for line in lines if title in line and source in line})
    seen = [splits for splits in seen if splits]  # our own table is of none
    assert sorted(map(sorted, seen)) == sorted([table.split] for table in found) and len(found) == 6
    for table in found:
        assert table.title in text and (escape(table.about) if form == "html" else table.about) in text


EVERY_TABLE = sorted({(entry.dataset, entry.protocol) for entry in figures.published_values()})


@pytest.mark.parametrize(("dataset", "protocol"), EVERY_TABLE)
def test_no_published_table_holds_two_splits(dataset: str, protocol: str) -> None:
    for table in reference_figures.for_group(of(dataset, protocol)):
        for row in table.rows:
            same = {"dataset": dataset, "protocol": protocol, "model": row.model, "on": "test", "as_published": False}
            of_row = [
                entry
                for entry in figures.published_values(**same)
                if (entry.source, entry.title) == (row.source, row.title)
            ]
            values = {(entry.metric, entry.value) for entry in of_row if entry.split == table.split}
            assert set(row.values.items()) <= values, "a figure stands in the table of another split"


def test_every_row_of_the_json_answer_names_its_split() -> None:
    found = [row for table in reference_figures.for_group(of("ml-20m")) for row in table.to_dicts()]
    assert {row["split"] for row in found if row["model"] == "vasp"} == {"vasp"}
    assert all(row["split_about"] == figures.splits()[row["split"]].about and row["status"] for row in found)


def test_without_published_figures_there_is_no_table() -> None:
    assert reference_figures.for_group(of("demo")) == [] and "published" not in results.export([of("demo")], "table")
    assert reference_figures.for_group(of("ml-20m", "strong-temporal")) == []


def test_figures_with_a_known_mistake_are_never_shown() -> None:
    wrong = {(entry.source, entry.value) for entry in figures.published_values(as_published=True)}
    for dataset, protocol in EVERY_TABLE:
        for table in reference_figures.for_group(of(dataset, protocol)):
            for row in table.rows:
                assert not {(row.source, value) for value in row.values.values()} & wrong
