"""The published figures: every row is whole, and what compares with our tables is told from what does not."""

from __future__ import annotations

import re

import pytest

from recdash.errors import DataError
from recdash.evaluation import metrics, ratings
from recdash.published import figures as published
from recdash.published.figures import TITLES, Figure, comparable, figures, protocols

KINDS = {*metrics.BY_HITS, *ratings.NAMES}
OWN_PROTOCOLS = {
    "strong",
    "ratings-90",
    "published-implicit",
    "published-autorec",
    "published-deeprec",
    "published-svae",
    "published-vae20m",
}


@pytest.mark.parametrize("figure", figures(), ids=lambda figure: f"{figure.model}-{figure.dataset}-{figure.metric}")
def test_every_figure_is_whole_and_in_our_words(figure: Figure) -> None:
    kind, at, k = figure.metric.partition("@")
    assert kind in KINDS
    assert (at and int(k) > 0) if kind in metrics.BY_HITS else not at
    assert 0.5 < figure.value < 1.5 if kind == "rmse" else 0 < figure.value < 1
    assert figure.model in TITLES
    assert figure.protocol in OWN_PROTOCOLS or len(protocols()[figure.protocol].split()) > 4
    assert figure.dataset in {"ml-1m", "ml-10m", "ml-20m", "netflix", "msd", "yelp"}
    assert re.fullmatch(r"https://(github\.com|arxiv\.org|doi\.org)/\S+", figure.url)
    assert len(figure.source) > 10
    assert figure.on == "test" or figure.as_published or figure.variant, "not a test figure, and nothing says why"
    assert figure.note or not figure.as_published, "evaluated with mistakes, and nothing says which"


def test_no_number_stands_there_twice() -> None:
    names = [(f.model, f.variant, f.dataset, f.protocol, f.metric, f.on, f.source, f.note) for f in figures()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("model", "protocol", "metric", "value"),
    [
        ("ease", "published-implicit", "ndcg@100", 0.2561),
        ("multvae", "published-implicit", "recall@100", 0.4115),
        ("cdae", "published-implicit", "precision@100", 0.0894),
        ("svae", "published-svae", "recall_all@100", 0.5850),
        ("autorec", "published-autorec", "rmse", 0.910),
        ("deeprec", "published-deeprec", "rmse", 0.931),
    ],
)
def test_the_public_table_is_there(model: str, protocol: str, metric: str, value: float) -> None:
    found = figures(model=model, dataset="ml-1m", protocol=protocol, metric=metric, as_published=True)
    assert value in {figure.value for figure in found}


def test_filters_narrow_and_together_narrow_more() -> None:
    assert {f.value for f in figures(model="multvae", dataset="ml-20m", protocol="strong", metric="ndcg@100")} == {
        0.426,
        0.42592,
        0.415,
        0.419,
    }
    assert len(figures(model="multvae")) > len(figures(model="multvae", dataset="ml-1m")) > 0
    assert figures(model="nobody") == ()


def test_what_may_stand_beside_our_tables_has_no_known_mistake() -> None:
    assert comparable("ml-1m", "published-implicit") == ()
    found = comparable("ml-1m", "published-svae")
    assert {f.source.split(":")[0] for f in found if f.model == "svae"} == {
        "Sachdeva, Manco, Ritacco and Pudi",
        "noveens/svae_cf, the authors' notebook",
    }
    assert all(f.on == "test" and not f.as_published for f in comparable("ml-20m", "strong"))
    assert {f.value for f in comparable("ml-20m", "strong") if f.second_hand and f.model == "recvae"} == {
        0.414,
        0.553,
        0.442,
    }


def test_a_title_names_the_variant() -> None:
    (found,) = figures(model="autorec", dataset="ml-1m", protocol="published-autorec")
    assert found.title == "AutoRec (user)"
    assert figures(model="ease", dataset="netflix")[0].title == "EASE"


def test_a_row_with_a_word_that_is_not_known_is_refused() -> None:
    row = {"model": "ease", "dataset": "ml-1m", "protocol": "strong", "source": "s", "values": {"rmse": 1}}
    assert published._read(row, {"s": {"title": "t", "url": "u"}})[0].value == 1.0
    with pytest.raises(DataError, match="Mend the row"):
        published._read(row | {"colour": "red"}, {"s": {"title": "t", "url": "u"}})
    with pytest.raises(DataError, match="Mend the row"):
        published._read(row, {})
