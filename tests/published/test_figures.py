"""The published figures: every row is complete, and only comparable figures are shown next to our results."""

from __future__ import annotations

import re

import pytest

from recdash.errors import DataError
from recdash.evaluation import metrics, rating_metrics
from recdash.published import figures as published
from recdash.published.figures import (
    TITLES,
    PublishedValue,
    comparable,
    protocols,
    published_values,
    splits,
)

KINDS = {*metrics.HIT_METRICS, *rating_metrics.NAMES}
OWN_PROTOCOLS = {
    "strong",
    "ratings-90",
    "published-implicit",
    "published-autorec",
    "published-deeprec",
    "published-svae",
    "published-vae20m",
}


@pytest.mark.parametrize("entry", published_values(), ids=lambda entry: f"{entry.model}-{entry.dataset}-{entry.metric}")
def test_every_figure_is_complete_and_uses_our_names(entry: PublishedValue) -> None:
    kind, at, k = entry.metric.partition("@")
    assert kind in KINDS
    assert (at and int(k) > 0) if kind in metrics.HIT_METRICS else not at
    assert 0.5 < entry.value < 1.5 if kind == "rmse" else 0 < entry.value < 1
    assert entry.model in TITLES
    assert entry.protocol in OWN_PROTOCOLS or len(protocols()[entry.protocol].split()) > 4
    assert entry.dataset in {"ml-1m", "ml-10m", "ml-20m", "netflix", "msd", "yelp"}
    assert entry.split in splits()
    assert re.fullmatch(r"https://(github\.com|arxiv\.org|doi\.org)/\S+", entry.url)
    assert len(entry.source) > 10
    assert entry.on == "test" or entry.as_published or entry.variant, "not a test figure, without a reason"
    assert entry.note or not entry.as_published, "evaluated with mistakes, without a note"


def test_no_figure_occurs_twice() -> None:
    names = [
        (f.model, f.variant, f.dataset, f.protocol, f.split, f.metric, f.on, f.source, f.note)
        for f in published_values()
    ]
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
    found = published_values(model=model, dataset="ml-1m", protocol=protocol, metric=metric, as_published=True)
    assert value in {entry.value for entry in found}


def test_filters_narrow_and_together_narrow_more() -> None:
    assert {
        f.value for f in published_values(model="multvae", dataset="ml-20m", protocol="strong", metric="ndcg@100")
    } == {
        0.426,
        0.42592,
        0.415,
        0.419,
    }
    assert len(published_values(model="multvae")) > len(published_values(model="multvae", dataset="ml-1m")) > 0
    assert published_values(model="nobody") == ()


def test_comparable_figures_have_no_known_mistake() -> None:
    assert comparable("ml-1m", "published-implicit") == {}
    by_split = comparable("ml-1m", "published-svae")
    assert {split: {f.source.split(":")[0] for f in found} for split, found in by_split.items()} == {
        "svae-paper": {"Sachdeva, Manco, Ritacco and Pudi"},
        "svae-notebook": {"noveens/svae_cf, the authors' notebook"},
    }
    strong = comparable("ml-20m", "strong")
    assert all(f.on == "test" and not f.as_published for found in strong.values() for f in found)
    assert {f.value for f in strong["liang-2018"] if f.second_hand and f.model == "recvae"} == {0.414, 0.553, 0.442}


@pytest.mark.parametrize("name", splits())
def test_every_split_is_used_and_explained_in_one_plain_sentence(name: str) -> None:
    assert published_values(split=name)
    info = splits()[name]
    assert info.title and len(info.about.split()) > 6
    assert info.about.endswith(".") and not re.search(r"\.\s+[A-Z]", info.about.replace("al. ", "al "))


EVERY_TABLE = sorted({(entry.dataset, entry.protocol) for entry in published_values()})


@pytest.mark.parametrize(("dataset", "protocol"), EVERY_TABLE)
def test_comparable_figures_are_grouped_by_split_and_none_is_lost(dataset: str, protocol: str) -> None:
    by_split = comparable(dataset, protocol)
    assert all({entry.split for entry in found} == {split} for split, found in by_split.items())
    expected = published_values(dataset=dataset, protocol=protocol, on="test", as_published=False)
    assert sorted(map(repr, expected)) == sorted(repr(entry) for found in by_split.values() for entry in found)


def test_no_model_of_another_split_is_shown_with_those_of_liang() -> None:
    by_split = comparable("ml-20m", "strong")
    assert not {"vasp", "flvae", "elsa", "sansa", "sparse_ease"} & {entry.model for entry in by_split["liang-2018"]}
    assert {entry.model for entry in by_split["vasp"]} == {"vasp", "flvae"}
    assert {entry.split for entry in published_values(dataset="msd", model="ease")} == {"liang-2018", "edlae"}


def test_vasp_is_not_on_the_split_of_liang_and_others() -> None:
    assert {entry.split for entry in published_values(model="vasp")} == {"vasp"}
    assert {entry.split for entry in published_values(model="flvae")} == {"vasp"}
    assert "not those of Liang" in splits()["vasp"].about


@pytest.mark.parametrize(
    ("model", "split", "second_hand", "values"),
    [
        ("popularity", "liang-2018", False, (0.191, 0.162, 0.235)),
        ("slim", "liang-2018", False, (0.401, 0.370, 0.495)),
        ("cdae", "liang-2018", False, (0.418, 0.391, 0.523)),
        ("multdae", "liang-2018", False, (0.419, 0.387, 0.524)),
        ("multvae", "liang-2018", False, (0.426, 0.395, 0.537)),
        ("ease", "liang-2018", False, (0.420, 0.391, 0.521)),
        ("higher-order-ease", "liang-2018", False, (0.4292, 0.4000, 0.5303)),
        ("ract", "liang-2018", False, (0.434, None, None)),
        ("recvae", "liang-2018", True, (0.442, 0.414, 0.553)),
        ("h-vamp", "liang-2018", True, (0.445, 0.413, 0.551)),
        ("ease", "sansa", False, (0.4221, 0.3920, 0.5206)),
        ("ease", "compressed-elsa", False, (0.4253, 0.3867, 0.5158)),
        ("flvae", "vasp", False, (0.445, 0.409, 0.547)),
        ("vasp", "vasp", False, (0.448, 0.414, 0.552)),
        ("elsa", "elsa", False, (0.4259, 0.3985, 0.53)),
        ("elsa", "compressed-elsa", False, (0.4286, 0.3928, 0.5281)),
        ("sparse_ease", "mrf", False, (0.4195, 0.3904, 0.5155)),
        ("sansa", "sansa", False, (0.4172, 0.3869, 0.5161)),
        ("sansa", "sansa", False, (0.4195, 0.3884, 0.5177)),
    ],
)
def test_figures_on_movielens_20m_are_on_the_split_they_were_measured_on(
    model: str, split: str, second_hand: bool, values: tuple[float | None, ...]
) -> None:
    found = published_values(model=model, dataset="ml-20m", protocol="strong", split=split)
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for entry in found:
        assert entry.second_hand is second_hand
        rows.setdefault((entry.variant, entry.source), {})[entry.metric] = entry.value
    assert values in [
        tuple(row.get(metric) for metric in ("ndcg@100", "recall@20", "recall@50")) for row in rows.values()
    ]


@pytest.mark.parametrize(
    ("source", "protocol", "expected"),
    [
        ("AutoRec, WWW", "ratings-90", {"autorec-paper", "llorma-paper"}),
        ("RecLab", "ratings-90", {"reclab"}),
        ("gtshs2", "ratings-90", {"gtshs2-autorec"}),
        (
            "Training Deep",
            "ratings-netflix-time",
            {f"deeprec-{part}" for part in ("full", "3-months", "6-months", "1-year")},
        ),
        ("issue 11", "ratings-chronological-70", {"deeprec-issue-11"}),
        ("Collaborative Denoising", "weak-5-core", {"cdae-paper"}),
        ("Variational Autoencoders for", "ncf-sampled", {"ncf-paper"}),
        ("Embarrassingly", "weak-30", {"ease-paper-ml-10m"}),
        ("Sequential", "published-svae", {"svae-paper"}),
        ("Sequential", "svae-random-fold", {"svae-paper-random-fold"}),
        ("Sequential", "svae-subset", {"svae-paper-netflix"}),
        ("svae_cf", "published-svae", {"svae-notebook"}),
        ("MetaRec", "published-svae", {"metarec-svae"}),
        ("MetaRec", "published-implicit", {"metarec-implicit"}),
        ("MetaRec", "published-autorec", {"metarec-autorec"}),
        ("MetaRec", "published-deeprec", {"metarec-deeprec"}),
        ("blog review", "strong", {"liang-2018"}),
        ("MultiVAE", "published-vae20m", {"vae20m"}),
    ],
)
def test_every_source_has_its_own_split_under_each_protocol(source: str, protocol: str, expected: set[str]) -> None:
    assert {entry.split for entry in published_values(protocol=protocol) if source in entry.source} == expected


def test_a_title_names_the_variant() -> None:
    (found,) = published_values(model="autorec", dataset="ml-1m", protocol="published-autorec")
    assert found.title == "AutoRec (user)"
    assert published_values(model="ease", dataset="netflix")[0].title == "EASE"


ROW = {"model": "ease", "dataset": "ml-1m", "protocol": "strong", "source": "s", "values": {"rmse": 1}}
SOURCES = {"s": {"title": "t", "url": "u", "split": "a"}}


def test_a_rows_own_split_wins_over_that_of_its_source() -> None:
    assert published._read(ROW, SOURCES, {"a", "b"})[0].split == "a"
    (entry,) = published._read(ROW | {"split": "b"}, SOURCES, {"a", "b"})
    assert (entry.split, entry.value) == ("b", 1.0)


@pytest.mark.parametrize(
    ("changes", "sources", "message"),
    [
        ({"colour": "red"}, SOURCES, "unknown fields colour. Fix the row"),
        ({}, {}, "unknown source"),
        ({"on": "everybody"}, SOURCES, "unknown `on`"),
        ({"split": "c"}, SOURCES, "unknown split 'c'"),
        ({}, {"s": {"title": "t", "url": "u"}}, "unknown split None"),
    ],
)
def test_an_invalid_row_is_refused_in_one_line(
    changes: dict[str, str], sources: dict[str, dict[str, str]], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        published._read(ROW | changes, sources, {"a", "b"})
    assert "\n" not in str(caught.value)


def test_a_row_without_values_is_refused() -> None:
    with pytest.raises(DataError, match="lacks values"):
        published._read({name: value for name, value in ROW.items() if name != "values"}, SOURCES, {"a"})
