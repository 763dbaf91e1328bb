"""The two published tables: their cells, and where each column of their rows comes from."""

from __future__ import annotations

from functools import partial
from typing import Any

from recdash.errors import unknown_name
from recdash.published import implicit_rows, rating_rows, row_notes, svae_rows, vae_ml20m
from recdash.published.context import common_protocol
from recdash.published.row_notes import Note
from recdash.published.table_schema import (
    PublishedTable,
    TableCell,
    TableRow,
)


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
    return TableCell(
        name, model, about, partial(common_protocol, name=model, protocol=protocol, metrics=metrics, **settings)
    )


def _ranking_rows(
    model: str, title: str, note: Note, tolerance: float | None, cells: tuple[str, str]
) -> tuple[TableRow, ...]:
    return tuple(
        TableRow(
            model,
            title,
            metric,
            note,
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
    printed = [
        TableRow(
            "svae",
            "SVAE, as printed",
            metric,
            row_notes.svae_printed,
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
            row_notes.svae_tested,
            variant="test line of the log",
            as_published=("svae", "as_published"),
            corrected=("svae", "corrected"),
            common=("svae-common", "common"),
            tolerance=0.02,
        )
        for metric in metrics
    ]
    return (*printed, *tested)


METAREC = PublishedTable(
    name="metarec",
    title="MetaRec, Autoencoders-Experiments: six models on MovieLens-1M",
    url="https://github.com/khanhnamle1994/MetaRec/tree/b5e36cb/Autoencoders-Experiments",
    dataset="ml-1m",
    protocols=("published-implicit", "published-svae", "published-autorec", "published-deeprec"),
    cells=(
        TableCell("popularity", "popularity", "Popularity", partial(implicit_rows.closed_form, name="popularity")),
        _common_cell("popularity", "Popularity", "strong", implicit_rows.ALL_METRICS),
        TableCell(
            "ease", "ease", "EASE, closed form", partial(implicit_rows.closed_form, name="ease", preset="published")
        ),
        _common_cell("ease", "EASE", "strong", implicit_rows.ALL_METRICS),
        TableCell("bias", "bias", "Bias model on both splits", rating_rows.bias_baseline),
        _common_cell("bias", "Bias model", "ratings-90", rating_rows.METRICS),
        *_implicit_cells("multvae", "Mult-VAE", "55 epochs", noise_sd=1.0),
        _common_cell("multvae", "Mult-VAE", "strong", implicit_rows.ALL_METRICS),
        *_implicit_cells("cdae", "CDAE", "up to 500 epochs", formula="paper"),
        _common_cell("cdae", "CDAE", "strong", implicit_rows.ALL_METRICS),
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
        TableCell("deeprec", "deeprec", "DeepRec as published, up to 500 epochs", rating_rows.deeprec),
        TableCell("deeprec-refed", "deeprec", "DeepRec with dense re-feeding", rating_rows.deeprec_refed),
        _common_cell("deeprec", "DeepRec", "ratings-90", rating_rows.METRICS),
        _common_cell("svae", "SVAE", "strong", implicit_rows.ALL_METRICS),
        TableCell(
            "svae", "svae", "SVAE as published, 50 epochs, one user per update", svae_rows.svae, own_process=True
        ),
    ),
    rows=(
        TableRow(
            "autorec",
            "AutoRec",
            "rmse",
            row_notes.autorec,
            as_published=("autorec-as-published", "as_published"),
            corrected=("autorec-corrected", "corrected"),
            common=("autorec-user-common", "common"),
            tolerance=0.015,
        ),
        TableRow(
            "autorec",
            "I-AutoRec",
            "rmse",
            row_notes.autorec_item,
            corrected=("autorec-item-corrected", "corrected"),
            common=("autorec-item-common", "common"),
        ),
        TableRow(
            "deeprec",
            "DeepRec",
            "rmse",
            row_notes.deeprec,
            as_published=("deeprec", "as_published"),
            corrected=("deeprec", "corrected"),
            common=("deeprec-common", "common"),
            tolerance=0.03,
        ),
        TableRow(
            "deeprec",
            "DeepRec, re-feeding",
            "rmse",
            row_notes.deeprec_refed,
            corrected=("deeprec-refed", "corrected"),
            common=("deeprec-common", "common"),
        ),
        TableRow(
            "bias",
            "Bias, AutoRec split",
            "rmse",
            row_notes.bias_autorec,
            corrected=("bias", "autorec"),
            common=("bias-common", "common"),
        ),
        TableRow(
            "bias",
            "Bias, DeepRec split",
            "rmse",
            row_notes.bias_deeprec,
            as_published=("bias", "deeprec_as_published"),
            corrected=("bias", "deeprec"),
            common=("bias-common", "common"),
        ),
        *_ranking_rows("cdae", "CDAE", row_notes.cdae, 0.008, ("cdae-as-published", "cdae-corrected")),
        *_ranking_rows("multvae", "Mult-VAE", row_notes.multvae, 0.006, ("multvae-as-published", "multvae-corrected")),
        *_svae_rows(),
        *_ranking_rows("ease", "EASE", row_notes.ease, 0.006, ("ease", "ease")),
        *_ranking_rows("popularity", "Popularity", row_notes.popularity, None, ("popularity", "popularity")),
    ),
)


def _vae20m_rows(model: str, title: str, note: Note, printed: bool) -> tuple[TableRow, ...]:
    return tuple(
        TableRow(
            model,
            title,
            metric,
            note,
            on="validation" if printed else "test",
            as_published=(model, "as_published") if printed else None,
            corrected=(model, "corrected"),
            common=(f"{model}-common", "common"),
            tolerance=0.01 if printed else None,
        )
        for metric in vae_ml20m.METRICS
    )


VAE20M = PublishedTable(
    name="vae20m",
    title="MultiVAE-MultiDAE-Recommender: two models on MovieLens-20M",
    url="https://github.com/abdelrahmanHamdyG/MultiVAE-MultiDAE-Recommender/tree/3f8ed37",
    dataset="ml-20m",
    protocols=("published-vae20m",),
    rehearsal_datasets=("ml-10m", "ml-1m", "ml-100k", "ml-latest-small"),
    cells=(
        TableCell("popularity", "popularity", "Popularity", partial(vae_ml20m.baseline, name="popularity")),
        _common_cell("popularity", "Popularity", "strong", vae_ml20m.ALL_METRICS),
        TableCell("ease", "ease", "EASE", partial(vae_ml20m.baseline, name="ease")),
        _common_cell("ease", "EASE", "strong", vae_ml20m.ALL_METRICS),
        TableCell(
            "multdae",
            "multdae",
            "Mult-DAE as published, 80 epochs",
            partial(vae_ml20m.as_published_and_corrected, name="multdae"),
        ),
        _common_cell("multdae", "Mult-DAE", "strong", vae_ml20m.ALL_METRICS),
        TableCell(
            "multvae",
            "multvae",
            "Mult-VAE as published, 150 epochs",
            partial(vae_ml20m.as_published_and_corrected, name="multvae"),
        ),
        _common_cell("multvae", "Mult-VAE", "strong", vae_ml20m.ALL_METRICS),
    ),
    rows=(
        *_vae20m_rows("multvae", "Mult-VAE", row_notes.vae20m, printed=True),
        *_vae20m_rows("multdae", "Mult-DAE", row_notes.vae20m, printed=True),
        *_vae20m_rows("ease", "EASE", row_notes.baseline, printed=False),
        *_vae20m_rows("popularity", "Popularity", row_notes.baseline, printed=False),
    ),
)
TABLES = {table.name: table for table in (METAREC, VAE20M)}


def find_table(name: str) -> PublishedTable:
    """Return a published table by name; raises UsageError, with the known names, for an unknown one."""
    if name not in TABLES:
        raise unknown_name("table", name, TABLES)
    return TABLES[name]
