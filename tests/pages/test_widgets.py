"""Parts of pages: formatting, colours, curves, charts, tables, forms."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.errors import UsageError
from recdash.reporting import dash_patterns, formatting
from recdash.runs import run_colours
from recdash.ui import glossary
from recdash.ui.charts import primitives, tradeoff
from recdash.ui.widgets import result_tables, settings_form

NASTY = (
    "M*A*S*H",
    "$1,000,000 Duck",
    "<b>x</b>",
    "a_b_c",
    "[link](http://x)",
    ":material/home:",
    ":tada:",
    "a -> b",
    "`x`",
)


def shown(markdown: str) -> str:
    """What Markdown shows for text in which every mark is escaped."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace("\u2060", "")


@pytest.mark.parametrize("title", NASTY)
def test_titles_are_shown_as_they_are(title: str) -> None:
    assert shown(formatting.escape(title)) == title
    assert not re.search(r"(?<!\\)[*_`<>\[\]$:#|~]", formatting.escape(title))


@given(st.text(max_size=60))
def test_no_text_has_a_mark_that_markdown_would_read(title: str) -> None:
    assert shown(formatting.escape(title)) == " ".join(title.split()).replace("\u2060", "")


def test_shortcodes_do_not_become_pictures() -> None:
    for title in (":tada:", "a :material/home: b"):
        assert not re.search(r":[\w+-]+(/[\w+-]+)?:", formatting.escape(title).replace("\\", ""))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.01, "under 0.1 s"),
        (0.44, "0.4 s"),
        (12.3, "12 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (60, "1 min"),
    ],
)
def test_durations_are_readable(seconds: float | None, text: str) -> None:
    assert formatting.duration(seconds) == text


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("background", ["#ffffff", "#0f1217"])
def test_every_run_colour_stands_out_on_both_page_backgrounds(background: str) -> None:
    ground = luminance(background)
    for colour in run_colours.PALETTE:
        light, dark = max(luminance(colour), ground), min(luminance(colour), ground)
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


def test_c9_a_colour_belongs_to_the_run_whatever_else_is_in_the_picture() -> None:
    ids = [f"multvae-{number:08x}" for number in range(200)]
    assert [run_colours.colour_of(run_id) for run_id in ids] == [
        run_colours.colour_of(run_id) for run_id in reversed(ids)
    ][::-1]
    assert len({run_colours.colour_of(run_id) for run_id in ids}) == len(run_colours.PALETTE)
    same_colour = [run_id for run_id in ids if run_colours.colour_of(run_id) == run_colours.colour_of(ids[0])][:3]
    assert len(set(dash_patterns.dashes(same_colour).values())) == 3  # distinguished by their dashes


def run(run_id: str = "ease-00000001", **fields: Any) -> Any:
    usual = {
        "id": run_id,
        "name": "EASE on toy",
        "preset": "auto",
        "seed": 0,
        "dataset": "toy",
        "best_epoch": 2,
        "protocol": "strong",
        "settings": {},
    }
    return SimpleNamespace(**{**usual, **fields})


def trade(*points: primitives.Point, lower: bool = False, front: bool = True) -> Any:
    return tradeoff.scatter(
        points, "NDCG@100", tradeoff.Axis("Seconds", log=front, pareto=front), lower=lower, theme="light"
    )


def test_the_runs_that_nothing_beats_are_joined_and_named() -> None:
    quick, good = primitives.Point("quick", "1", 0.2, 0.1, 0.3, 1.0), primitives.Point("good", "2", 0.4, 0.3, 0.5, 5.0)
    poor = primitives.Point("slow and worse", "3", 0.3, 0.2, 0.4, 9.0)

    def named(figure: Any) -> list[str]:
        return [text for trace in figure.data if trace.mode == "markers+text" for text in trace.text]

    assert list(trade(quick, good, poor).data[0].x) == [1.0, 5.0]
    assert named(trade(quick, good, poor)) == ["quick", "good"]
    assert named(trade(quick, good, poor, lower=True)) == ["quick"]
    without = trade(quick, good, poor, front=False)
    assert list(without.data[0].x) == [] and len(named(without)) == 3


def test_baselines_far_from_the_other_runs_are_left_out_of_the_scale() -> None:
    models = [primitives.Point(f"m{n}", f"m-{n}", 0.4 + n / 100, 0.39, 0.42, 10.0 + n) for n in range(3)]
    random, good = (
        primitives.Point("Random", "r", 0.01, 0.0, 0.02, 10.0),
        primitives.Point("G", "g", 0.41, 0.4, 0.42, 11.0),
    )
    quick = primitives.Point("Quick", "q", 0.41, 0.4, 0.42, 0.001)
    outside = tradeoff.outside_scale([*models, random, good, quick], ["r", "g", "q"])
    assert [point.run for point in outside] == ["r", "q"]
    assert tradeoff.outside_scale([random], ["r"]) == [], "without other runs there is no other scale"
    figure = tradeoff.scatter(
        [*models, random], "NDCG", tradeoff.Axis("s", log=True, pareto=True), lower=False, theme="dark", clipped=["r"]
    )
    assert sum(len(trace.x) for trace in figure.data[1:]) == 3


def test_many_runs_are_few_traces() -> None:
    points = [primitives.Point(f"m{n}", f"m-{n}", n / 500, 0.0, 1.0, 1.0 + n) for n in range(500)]
    figure = trade(*points)
    assert len(figure.data) <= 3 and sum(len(trace.x) for trace in figure.data[1:]) == 500


def test_labels_of_many_points_without_a_front_keep_apart() -> None:
    points = [primitives.Point(f"m{n}", f"m-{n}", 0.8, 0.4 - n / 10_000, 0.39, 0.41) for n in range(500)]
    figure = tradeoff.scatter(points, "NDCG@100", tradeoff.Axis("Coverage@100"), lower=False, theme="light")
    assert [text for trace in figure.data for text in trace.text or () if text] == ["m0"]


def test_a_run_name_puts_no_markup_into_a_picture() -> None:
    assert "<b>" not in trade(primitives.Point("<b>x</b>", "1", 0.2, 0.1, 0.3, 1.0)).to_json()


@pytest.mark.parametrize(
    ("given_", "seeds"), [("0", [0]), ("1, 2,3", [1, 2, 3]), ("3-5", [3, 4, 5]), ("1,1", [1]), ("4 - 5", [4, 5])]
)
def test_seeds_are_read_as_people_write_them(given_: str, seeds: list[int]) -> None:
    assert settings_form.parse_seeds(given_) == seeds


@pytest.mark.parametrize("given_", ["", "a", "1,", "-3", "1.5", "1-99", "0-99999999", "²", "9" * 5000])
def test_seeds_that_cannot_be_read_are_refused_with_an_example(given_: str) -> None:
    with pytest.raises(UsageError, match=r"example|most"):
        settings_form.parse_seeds(given_)


def test_too_many_seeds_and_a_reversed_range_are_named_as_what_they_are() -> None:
    with pytest.raises(UsageError, match="more than 20 seeds"):
        settings_form.parse_seeds("0-99999999")
    with pytest.raises(UsageError, match=r"start above their end\. Enter 1-5"):
        settings_form.parse_seeds("5-1")


def test_every_metric_has_a_title_and_an_explanation() -> None:
    from recdash.evaluation.evaluator import default_metrics
    from recdash.evaluation.rating_metrics import NAMES

    for name in (*default_metrics(), *NAMES):
        assert glossary.metric(name) != name and len(glossary.metric_help(name)) > 20, name
        assert "{k}" not in glossary.metric_help(name)
        assert ("(min)" in glossary.metric(name) or "(all)" in glossary.metric(name)) == name.startswith("recall"), name


def test_every_state_and_preset_is_explained() -> None:
    from recdash.models.registry import PRESETS
    from recdash.runs.states import State

    assert set(glossary.STATES) == {state.value for state in State}
    assert set(glossary.PRESETS) == set(PRESETS)


def test_only_settings_that_differ_are_listed() -> None:
    one = run(model="m", split_seed=1, threads=1, details={}, config={"latent": 200, "dropout": 0.5})
    two = SimpleNamespace(**{**vars(one), "id": "x-2", "seed": 3, "config": {"latent": 50, "dropout": 0.5}})
    assert list(result_tables.setting_differences([one, two]).index) == ["seed", "latent"]
    assert "dropout" in result_tables.setting_differences([one, two], everything=True).index
