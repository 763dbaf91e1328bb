"""The public tables: which cells they are made of, which rows, and what was wrong with each number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from recdash.published import cell_notes, implicit_rows, rating_rows, svae_rows, vae_ml20m
from recdash.published.cell_notes import Numbers, Sentence
from recdash.published.context import Found, Work, common
from recdash.published.figures import figures

RECIPE = 1  # goes up when a cell computes something else, so that nothing old is shown


@dataclass(frozen=True)
class TableCell:
    """One piece of work. model: for which row.  about: what it does, for whoever waits.

    apart: its steps are so small that one core serves it as well as all, so it goes on beside the others.
    """

    name: str
    model: str
    about: str
    run: Callable[[Work], Found]
    apart: bool = False


@dataclass(frozen=True)
class TableRow:
    """One number of a table, and where its columns come from: (cell, column) each, with the metric in that cell.

    on: whose figure was printed.  tolerance: how near ours, computed as published, is expected to come.
    """

    model: str
    title: str
    metric: str
    what: Sentence
    on: str = "test"
    variant: str | None = None
    as_published: tuple[str, str] | None = None
    corrected: tuple[str, str] | None = None
    common: tuple[str, str] | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class PublicTable:
    """A public table. dataset: what it was made on.  others: data for a rehearsal, the largest first."""

    name: str
    title: str
    url: str
    dataset: str
    protocols: tuple[str, ...]
    cells: tuple[TableCell, ...]
    rows: tuple[TableRow, ...]
    others: tuple[str, ...] = ()

    def models(self) -> tuple[str, ...]:
        """The models in the order of the rows."""
        return tuple(dict.fromkeys(row.model for row in self.rows))


def rows_of(
    table: PublicTable, cells: Mapping[str, Mapping[str, Any]], *, rehearsal: bool = False
) -> list[dict[str, Any]]:
    """Return the rows of a table from the cells that are there; what is missing is None.

    cells: by name, as they were kept: "columns" and "facts".  rehearsal: the data are not the table's, or trainings
    were cut short, so nothing is held against a tolerance.
    """
    return [_row(table, row, cells, rehearsal) for row in table.rows]


def _row(table: PublicTable, row: TableRow, cells: Mapping[str, Mapping[str, Any]], rehearsal: bool) -> dict[str, Any]:
    numbers = Numbers(
        metric=row.metric,
        published=_published(table, row),
        as_published=_value(row.as_published, row.metric, cells),
        corrected=_value(row.corrected, row.metric, cells),
        common=_value(row.common, row.metric, cells),
    )
    near = None
    tolerance = None if rehearsal else row.tolerance
    if tolerance is not None and numbers.published is not None and numbers.as_published is not None:
        near = abs(numbers.as_published - numbers.published) <= tolerance
    return {
        "model": row.model,
        "metric": row.metric,
        "published": numbers.published,
        "as_published": numbers.as_published,
        "corrected": numbers.corrected,
        "common": numbers.common,
        "what_was_wrong": row.what(numbers, cells),
        "title": row.title,
        "on": row.on,
        "tolerance": row.tolerance,
        "within_tolerance": near,
    }


def _value(where: tuple[str, str] | None, metric: str, cells: Mapping[str, Mapping[str, Any]]) -> float | None:
    if where is None or where[0] not in cells:
        return None
    found = cells[where[0]]["columns"].get(where[1], {}).get(metric)
    return None if found is None else float(found)


def _published(table: PublicTable, row: TableRow) -> float | None:
    if row.as_published is None or row.tolerance is None:
        return None
    found = [
        figure
        for figure in figures(model=row.model, dataset=table.dataset, metric=row.metric, on=row.on, as_published=True)
        if figure.protocol in table.protocols and (row.variant is None or figure.variant == row.variant)
    ]
    return found[0].value if found else None


def _implicit_cells(model: str, title: str, epochs: str, **changes: Any) -> tuple[TableCell, ...]:
    return (
        TableCell(
            f"{model}-as-published",
            model,
            f"{title} as published, {epochs}",
            partial(implicit_rows.as_published, name=model),
        ),
        TableCell(
            f"{model}-corrected", model, f"{title} corrected", partial(implicit_rows.corrected, name=model, **changes)
        ),
    )


def _common_cell(model: str, title: str, protocol: str, metrics: tuple[str, ...], **settings: Any) -> TableCell:
    name = f"{model}-{settings['variant']}-common" if settings else f"{model}-common"
    about = f"{title} under {protocol}, preset auto"
    return TableCell(name, model, about, partial(common, name=model, protocol=protocol, metrics=metrics, **settings))


def _ranking_rows(
    model: str, title: str, what: Sentence, tolerance: float | None, cells: tuple[str, str]
) -> tuple[TableRow, ...]:
    return tuple(
        TableRow(
            model,
            title,
            metric,
            what,
            variant="",
            as_published=(cells[0], "as_published"),
            corrected=(cells[1], "corrected"),
            common=(f"{model}-common", "common"),
            tolerance=tolerance,
        )
        for metric in implicit_rows.METRICS
    )


def _svae_rows() -> tuple[TableRow, ...]:
    metrics = ("precision@100", "recall_all@100", "ndcg@100")
    shown = [
        TableRow(
            "svae",
            "SVAE, as printed",
            metric,
            cell_notes.svae_printed,
            on="training users",
            as_published=("svae", "training_users"),
            corrected=("svae", "corrected"),
            common=("svae-common", "common"),
            tolerance=0.02,
        )
        for metric in metrics
    ]
    tested = [
        TableRow(
            "svae",
            "SVAE, test users",
            metric,
            cell_notes.svae_tested,
            variant="test line of the log",
            as_published=("svae", "as_published"),
            corrected=("svae", "corrected"),
            common=("svae-common", "common"),
            tolerance=0.02,
        )
        for metric in metrics
    ]
    return (*shown, *tested)


_COMMON = (*implicit_rows.ALSO,)
METAREC = PublicTable(
    name="metarec",
    title="MetaRec, Autoencoders-Experiments: six models on MovieLens-1M",
    url="https://github.com/khanhnamle1994/MetaRec/tree/b5e36cb/Autoencoders-Experiments",
    dataset="ml-1m",
    protocols=("published-implicit", "published-svae", "published-autorec", "published-deeprec"),
    cells=(
        TableCell("popularity", "popularity", "Popularity", partial(implicit_rows.closed_form, name="popularity")),
        _common_cell("popularity", "Popularity", "strong", _COMMON),
        TableCell(
            "ease", "ease", "EASE, one solution", partial(implicit_rows.closed_form, name="ease", preset="published")
        ),
        _common_cell("ease", "EASE", "strong", _COMMON),
        TableCell("bias", "bias", "The bias model on both splits", rating_rows.yardstick),
        _common_cell("bias", "The bias model", "ratings-90", rating_rows.METRICS),
        *_implicit_cells("multvae", "Mult-VAE", "55 epochs", noise_sd=1.0),
        _common_cell("multvae", "Mult-VAE", "strong", _COMMON),
        *_implicit_cells("cdae", "CDAE", "up to 500 epochs", formula="paper"),
        _common_cell("cdae", "CDAE", "strong", _COMMON),
        TableCell(
            "autorec-as-published", "autorec", "U-AutoRec as published, 500 epochs", rating_rows.autorec_as_published
        ),
        TableCell(
            "autorec-corrected",
            "autorec",
            "U-AutoRec corrected",
            partial(rating_rows.autorec_corrected, variant="user"),
        ),
        _common_cell("autorec", "U-AutoRec", "ratings-90", rating_rows.METRICS, variant="user"),
        TableCell(
            "autorec-item-corrected",
            "autorec",
            "I-AutoRec corrected",
            partial(rating_rows.autorec_corrected, variant="item"),
        ),
        _common_cell("autorec", "I-AutoRec", "ratings-90", rating_rows.METRICS, variant="item"),
        TableCell("deeprec", "deeprec", "DeepRec as published, up to 500 epochs", rating_rows.deeprec_both),
        TableCell("deeprec-refed", "deeprec", "DeepRec with dense re-feeding", rating_rows.deeprec_refed),
        _common_cell("deeprec", "DeepRec", "ratings-90", rating_rows.METRICS),
        _common_cell("svae", "SVAE", "strong", _COMMON),
        TableCell("svae", "svae", "SVAE as published, 50 epochs, one user an update", svae_rows.both, apart=True),
    ),
    rows=(
        TableRow(
            "autorec",
            "AutoRec",
            "rmse",
            cell_notes.autorec,
            as_published=("autorec-as-published", "as_published"),
            corrected=("autorec-corrected", "corrected"),
            common=("autorec-user-common", "common"),
            tolerance=0.015,
        ),
        TableRow(
            "autorec",
            "I-AutoRec",
            "rmse",
            cell_notes.autorec_item,
            corrected=("autorec-item-corrected", "corrected"),
            common=("autorec-item-common", "common"),
        ),
        TableRow(
            "deeprec",
            "DeepRec",
            "rmse",
            cell_notes.deeprec,
            as_published=("deeprec", "as_published"),
            corrected=("deeprec", "corrected"),
            common=("deeprec-common", "common"),
            tolerance=0.03,
        ),
        TableRow(
            "deeprec",
            "DeepRec, re-fed",
            "rmse",
            cell_notes.deeprec_refed,
            corrected=("deeprec-refed", "corrected"),
            common=("deeprec-common", "common"),
        ),
        TableRow(
            "bias",
            "Bias, AutoRec's split",
            "rmse",
            cell_notes.bias_autorec,
            corrected=("bias", "autorec"),
            common=("bias-common", "common"),
        ),
        TableRow(
            "bias",
            "Bias, DeepRec's split",
            "rmse",
            cell_notes.bias_deeprec,
            as_published=("bias", "deeprec_as_published"),
            corrected=("bias", "deeprec"),
            common=("bias-common", "common"),
        ),
        *_ranking_rows("cdae", "CDAE", cell_notes.cdae, 0.008, ("cdae-as-published", "cdae-corrected")),
        *_ranking_rows("multvae", "Mult-VAE", cell_notes.multvae, 0.006, ("multvae-as-published", "multvae-corrected")),
        *_svae_rows(),
        *_ranking_rows("ease", "EASE", cell_notes.ease, 0.006, ("ease", "ease")),
        *_ranking_rows("popularity", "Popularity", cell_notes.popularity, None, ("popularity", "popularity")),
    ),
)


def _large_rows(model: str, title: str, what: Sentence, printed: bool) -> tuple[TableRow, ...]:
    return tuple(
        TableRow(
            model,
            title,
            metric,
            what,
            on="validation" if printed else "test",
            as_published=(model, "as_published") if printed else None,
            corrected=(model, "corrected"),
            common=(f"{model}-common", "common"),
            tolerance=0.01 if printed else None,
        )
        for metric in vae_ml20m.METRICS
    )


VAE20M = PublicTable(
    name="vae20m",
    title="MultiVAE-MultiDAE-Recommender: two models on MovieLens-20M",
    url="https://github.com/abdelrahmanHamdyG/MultiVAE-MultiDAE-Recommender/tree/3f8ed37",
    dataset="ml-20m",
    protocols=("published-vae20m",),
    others=("ml-10m", "ml-1m", "ml-100k", "ml-latest-small"),
    cells=(
        TableCell("popularity", "popularity", "Popularity", partial(vae_ml20m.yardstick, name="popularity")),
        _common_cell("popularity", "Popularity", "strong", vae_ml20m.ALSO),
        TableCell("ease", "ease", "EASE", partial(vae_ml20m.yardstick, name="ease")),
        _common_cell("ease", "EASE", "strong", vae_ml20m.ALSO),
        TableCell("multdae", "multdae", "Mult-DAE as published, 80 epochs", partial(vae_ml20m.both, name="multdae")),
        _common_cell("multdae", "Mult-DAE", "strong", vae_ml20m.ALSO),
        TableCell("multvae", "multvae", "Mult-VAE as published, 150 epochs", partial(vae_ml20m.both, name="multvae")),
        _common_cell("multvae", "Mult-VAE", "strong", vae_ml20m.ALSO),
    ),
    rows=(
        *_large_rows("multvae", "Mult-VAE", cell_notes.large, printed=True),
        *_large_rows("multdae", "Mult-DAE", cell_notes.large, printed=True),
        *_large_rows("ease", "EASE", cell_notes.yardstick, printed=False),
        *_large_rows("popularity", "Popularity", cell_notes.yardstick, printed=False),
    ),
)
TABLES = {table.name: table for table in (METAREC, VAE20M)}
