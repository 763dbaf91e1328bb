"""The choice of one table: runs of one dataset, protocol and split."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis.groups import comparability_key, why_not_comparable
from recdash.reporting.formatting import escape, plural
from recdash.ui import cache, url_state

if TYPE_CHECKING:
    from recdash.analysis.groups import Group
    from recdash.splits.protocols import Protocol

_MAX_REASON = 240  # characters; with many split seeds the reasons name dozens of them


def table_id(group: Group) -> str:
    """Return an id of a table that stays while runs are added, such as "strong-3fa9c2d1"."""
    key = "|".join(comparability_key(group.rows[0].run))
    return f"{group.protocol}-{blake2b(key.encode(), digest_size=4).hexdigest()}"


def choose_table(groups: Sequence[Group]) -> Group:
    """Draw the selector of the table; by default the one with the runs that the address names, or the newest run.

    Addresses of earlier versions named a dataset and a protocol: they open the newest table of those.
    """
    by_id = {table_id(group): group for group in groups}
    labels = _labels(by_id)
    left, right = st.columns([4, 6], vertical_alignment="bottom")
    with left:
        chosen = st.selectbox(
            "Table",
            list(by_id),
            format_func=lambda name: labels.get(name, name),
            help=protocol_help(list(dict.fromkeys(group.protocol for group in groups))),
            **url_state.bind("comparison", _default(by_id), options=by_id),
        )
    with right:
        _other_tables(groups, by_id[str(chosen)])
    return by_id[str(chosen)]


def protocol_help(names: Sequence[str]) -> str | None:
    """Return title and description of protocols as Markdown."""
    known: dict[str, Protocol] = {protocol.name: protocol for protocol in cache.protocols()}
    listed = [known[name] for name in names if name in known]
    return "\n\n".join(f"**{escape(one.title)}** ({escape(one.name)}): {escape(one.help)}" for one in listed) or None


def _default(by_id: dict[str, Group]) -> str:
    named = {run_id for param in ("baseline", "select") for run_id in st.query_params.get_all(param)}
    for name, group in by_id.items():
        if named & {row.run.id for row in group.rows}:
            return name
    wanted = {name: st.query_params.get(name, "") for name in ("dataset", "protocol")}
    for name, group in by_id.items():
        if all(value in ("", getattr(group, field)) for field, value in wanted.items()):
            return name
    return next(iter(by_id))


def _labels(by_id: dict[str, Group]) -> dict[str, str]:
    """Return the labels of the tables; equal ones get the beginning of the split fingerprint."""
    plain = {name: group.label for name, group in by_id.items()}
    labels = list(plain.values())
    return {
        name: label if labels.count(label) == 1 else f"{label}, split {by_id[name].split_fingerprint[:6] or name[-6:]}"
        for name, label in plain.items()
    }


def _other_tables(groups: Sequence[Group], shown: Group) -> None:
    """Say how many other tables there are, and why the runs are separate."""
    if len(groups) < 2:
        return
    n_runs = sum(len(group.rows) for group in groups if group is not shown)
    reasons = " ".join(why_not_comparable(groups))
    if len(reasons) > _MAX_REASON:
        short: list[tuple[str, set[object]]] = [
            ("datasets", {Path(group.dataset).name for group in groups}),
            ("protocols", {group.protocol for group in groups}),
            ("split seeds", {group.split_seed for group in groups}),
        ]
        reasons = f"The runs have {', '.join(f'{len(values)} {name}' for name, values in short if len(values) > 1)}."
    st.caption(
        f":material/info: {plural(len(groups) - 1, 'other table')} with {plural(n_runs, 'run')}: these are not "
        f"comparable with the runs shown. {escape(reasons)}"
    )
