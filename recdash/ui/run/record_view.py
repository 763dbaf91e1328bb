"""What was recorded about one run: settings, data, environment, files; exports; name, note and tags."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis.split_summary import fact_label
from recdash.errors import RecdashError
from recdash.reporting.formatting import byte_size, escape
from recdash.services import curves, housekeeping, preset_values, run_export, run_files, runs
from recdash.settings import format_setting
from recdash.ui import cache, layout

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord


def draw_settings(run: RunRecord) -> None:
    """Draw all settings; those that differ from the preset come first and are marked."""
    import pandas as pd  # lazy: pandas

    used: Mapping[str, Any] = run.config or run.settings
    if not used:
        st.caption(
            "The imported file has curves, and no settings."
            if runs.is_curve_import(run)
            else "The settings are recorded when the training starts."
        )
        return
    preset = {name: format_setting(value) for name, value in preset_values.preset_values(run).items()}
    rows = []
    for name, value in used.items():
        text = format_setting(value)
        default = preset.get(name)
        rows.append((name, text, default or "–", name in run.settings if default is None else default != text))
    rows.sort(key=lambda row: not row[3])
    changed = sum(row[3] for row in rows)
    st.markdown(
        f"**Settings** :gray[:small[preset {escape(run.preset)}; {changed} of {len(rows)} differ from it, marked]]"
    )
    table = pd.DataFrame([row[:3] for row in rows], columns=["Setting", "Value", f"Preset {run.preset}"])
    styled = table.style.apply(
        lambda row: ["background-color: rgba(230, 170, 40, 0.25)" if rows[row.name][3] else ""] * 3, axis=1
    )
    st.dataframe(
        styled, hide_index=True, width="stretch", height=min(520, 36 * len(rows) + 40), key="run.settings",
        alt=f"Settings of {run.name}",
    )  # fmt: skip


def draw_environment(run: RunRecord) -> None:
    """Draw data and split, and where the run was trained; of imported curves where they come from."""
    if runs.is_curve_import(run):
        versions = [(f"{name} version", version) for name, version in run.versions.items()]
        facts = [("Source", run.source), ("Imported", _moment(run.created)), *versions]
        _facts_table(facts, "run.environment", f"Source of {run.name}")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Data and split**")
        if cache.is_generated(run.dataset):
            layout.generated_note()
        facts = run.details.get("split", {})
        _facts_table(
            [
                ("Dataset", run.dataset),
                ("Data fingerprint", run.dataset_fingerprint),
                ("Protocol", run.protocol),
                ("Split seed", run.split_seed),
                ("Split fingerprint", run.split_fingerprint),
                *((f"Split option {name}", format_setting(value)) for name, value in run.options.items()),
                *((fact_label(name), _text(value)) for name, value in facts.items()),
                ("Scored test users", run.details.get("n_scored")),
            ],
            "run.data",
            f"Data and split of {run.name}",
        )
    with right:
        st.markdown("**Environment**")
        machine, recorded = run.details.get("machine", {}), run.details.get("environment", {})
        git = recorded.get("git", {})
        _facts_table(
            [
                ("Device", run.details.get("device", run.device)),
                ("Threads", run.threads),
                ("Precision", run.details.get("precision")),
                ("Host", run.host or recorded.get("host")),
                ("Platform", recorded.get("platform")),
                *((name.replace("_", " ").capitalize(), _text(value)) for name, value in machine.items()),
                ("Git commit", git.get("commit")),
                ("Git branch", git.get("branch")),
                ("Uncommitted changes", None if "dirty" not in git else "yes" if git["dirty"] else "no"),
                *((f"{name} version", version) for name, version in run.versions.items()),
                ("Training seed", run.seed),
                ("Attempts", run.attempts),
                ("Queued", _moment(run.created)),
                ("Started", _moment(run.started)),
                ("Finished", _moment(run.finished)),
                ("Source", run.source or "trained here"),
            ],
            "run.environment",
            f"Environment of {run.name}",
        )


def draw_files(run: RunRecord) -> None:
    """Draw the files of the run with their sizes, and the exports."""
    import pandas as pd  # lazy: pandas

    found = run_files.files(run.id)
    total = sum(file.bytes for file in found)
    st.markdown(f"**Files** :gray[:small[{byte_size(total)} in {escape(run_files.folder(run.id))}]]")
    if found:
        table = pd.DataFrame(
            [(file.name, byte_size(file.bytes), file.content) for file in found], columns=["File", "Size", "Content"]
        )
        st.dataframe(
            table, hide_index=True, width="stretch", height="content", key="run.files", alt=f"Files of {run.name}"
        )
    else:
        st.caption("The run has no files.")
    exports: Sequence[tuple[str, str, str, Any, str]] = (
        ("Curves as CSV", f"{run.id}.csv", "text/csv", partial(_curves, run.id, "csv"), "One row per epoch"),
        ("Curves as JSON", f"{run.id}.json", "application/json", partial(_curves, run.id, "json"), "Points by value"),
        (
            "Record as JSON",
            f"{run.id}-record.json",
            "application/json",
            partial(_record, run),
            "Everything on this page",
        ),
        (
            "Everything as Parquet",
            f"{run.id}.zip",
            "application/zip",
            partial(run_export.export_archive, [run.id]),
            "Record, epochs, events, per-user results and resources; `recdash runs import` reads it",
        ),
    )
    st.markdown("**Exports**")
    with st.container(horizontal=True):
        for label, name, mime, content, about in exports:
            st.download_button(
                label, content, file_name=name, mime=mime, icon=":material/download:", on_click="ignore", help=about
            )


def draw_edit(run: RunRecord) -> None:
    """Draw the form with name, note and tags."""
    with st.form(f"run.edit.{run.id}", border=False):
        name = st.text_input("Name", run.name, max_chars=120)
        note = st.text_area("Note", run.note, max_chars=4000, height=90)
        tags = st.text_input("Tags", ", ".join(run.tags), placeholder="Separated by commas")
        if not st.form_submit_button("Save", icon=":material/save:"):
            return
    wanted = {tag.strip() for tag in tags.split(",") if tag.strip()}
    try:
        if name != run.name:
            runs.rename(run.id, name)
        if note != run.note:
            runs.annotate(run.id, note)
        if wanted != set(run.tags):
            housekeeping.tag([run.id], add=sorted(wanted - set(run.tags)), remove=sorted(set(run.tags) - wanted))
    except RecdashError as error:
        st.error(escape(str(error)), icon=":material/error:")
        return
    st.rerun()


def _facts_table(facts: Sequence[tuple[str, Any]], key: str, alt: str) -> None:
    import pandas as pd  # lazy: pandas

    rows = [(name, str(value)) for name, value in facts if value not in (None, "")]
    st.dataframe(
        pd.DataFrame(rows, columns=["Fact", "Value"]), hide_index=True, width="stretch",
        height=min(560, 36 * len(rows) + 40), key=key, alt=alt,
    )  # fmt: skip


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().strftime("%d %B %Y, %H:%M:%S")


def _curves(run_id: str, file_format: str) -> str:
    return curves.export(curves.curves(run_id), file_format)


def _record(run: RunRecord) -> str:
    return json.dumps(run.to_dict(), indent=1)
