"""A report as one HTML file that opens without a network: its style and its pictures are inside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from recdash.analysis import reference_figures
from recdash.analysis.costs import COSTS, front
from recdash.analysis.metric_info import MARK, higher_is_better, meaning, title
from recdash.evaluation.criterion import DECIDING
from recdash.reporting import markdown, palette, seed_tables, svg, tables
from recdash.reporting.svg import Line, Mark

if TYPE_CHECKING:
    from recdash.analysis.costs import Cost
    from recdash.analysis.curves import Curves
    from recdash.analysis.reference_figures import ReferenceTable
    from recdash.analysis.slices import SliceView
    from recdash.reporting.content import ComparisonReport, Section

CURVES = (*DECIDING, "reconstruction", "kl", "loss")
PARTS = {"activity": "interactions of the user", "popularity": "training users of the item"}
STYLE = """
:root { color-scheme: light dark; --line: #dfe3ea; --soft: #667085; --wash: #f5f6f9; }
@media (prefers-color-scheme: dark) { :root { --line: #303744; --soft: #98a2b3; --wash: #191e26; } }
body { margin: 0 auto; max-width: 1200px; padding: 2rem 1.2rem 4rem;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.3rem; margin: 2.6rem 0 .2rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; } p { margin: .4rem 0; }
.soft, caption, figcaption { color: var(--soft); font-size: .9rem; text-align: left; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } thead th { background: var(--wash); font-weight: 600; }
td.best { font-weight: 700; } .dot { display: inline-block; width: .6em; height: .6em; border-radius: 50%;
  margin-right: .45em; }
.two { display: grid; gap: 1.4rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
figure { margin: 0; } svg { width: 100%; height: auto; } .note { border-left: 3px solid #c0870f; padding-left: .8rem; }
pre { background: var(--wash); padding: .8rem; overflow-x: auto; font-size: .8rem; } summary { cursor: pointer; }
@media print { details { display: none; } h2 { break-before: page; } }
"""


def page(report: ComparisonReport) -> str:
    """Return the whole file."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head><body>"
    )
    parts = [head, f"<h1>{escape(report.title)}</h1>", _soft(f"recdash {report.version}, {report.made}")]
    if report.apart:
        parts.append(_note(f"{len(report.sections)} tables, which may not be compared. {' '.join(report.apart)}"))
    parts += [part for section in report.sections for part in _section(section)]
    parts += [_over_seeds(report)] if report.over_seeds else []
    return "\n".join([*parts, "</body></html>"])


def _section(section: Section) -> list[str]:
    group = section.group
    verdict = section.verdict
    parts = [f"<h2>{escape(group.label)}</h2>"]
    parts += [f"<p>{escape(section.sentence())}</p>"] if section.sentence() else []
    parts += [_note(verdict.note)] if verdict is not None and verdict.note else []
    parts += [_table(section), _published(section)]
    parts += _gallery(
        "How sure, and at what cost", [_intervals(section), *(_cost(section, one) for one in COSTS.values())]
    )
    parts += [_parts(section, view) for view in section.views]
    parts += _gallery("How they learned", [_curve(section.curves, section, name) for name in CURVES])
    return [part for part in [*parts, *_settings(section)] if part]


def _gallery(heading: str, figures: Sequence[str]) -> list[str]:
    there = [figure for figure in figures if figure]
    return [f"<h3>{escape(heading)}</h3>", '<div class="two">', *there, "</div>"] if there else []


def _table(section: Section) -> str:
    rows = tables.lines(section.group, section.metrics, _CELLS, title, escape)
    told = [f'<span title="{escape(meaning(name))}">{escape(title(name))}</span>' for name in section.metrics]
    places = {4 + place: cell for place, cell in enumerate(told)}
    head = [places.get(place, cell) for place, cell in enumerate(rows[0])]
    dots = [f'<span class="dot" style="background:{palette.of(row.run.id)}"></span>' for row in section.group.rows]
    body = [[f"{dot}{escape(section.names[row.run.id])}", *cells[1:]] for dot, row, cells in
            zip(dots, section.group.rows, rows[1:], strict=True)]  # fmt: skip
    under = tables.notes(section.group, section.metrics)
    said = "<br>".join(escape(line) for line in under)
    return f'{_grid([head, *body])}<p class="soft">{said}</p>'


_CELLS = tables.Marks(
    value=lambda mean, half: f"{mean} ± {half}" if half else mean,
    best=lambda cell: f"<b>{cell}</b>",
    tied=lambda cell: f"{cell} {MARK}",
    other=lambda cell: cell,
)


def _published(section: Section) -> str:
    found = [_published_table(table, section.metrics) for table in section.published]
    return "".join([*found, _soft(reference_figures.NOTE)]) if found else ""


def _published_table(table: ReferenceTable, first: Sequence[str]) -> str:
    """Return the table of one split with its caption; the columns of our own table come first, then the others."""
    metrics = list(dict.fromkeys([*table.columns(first), *table.metrics]))
    rows = [["Model", *(escape(title(name)) for name in metrics), "Source", "Status"]]
    for row in table.rows:
        link = f'<a href="{escape(row.url)}" title="{escape(row.note)}">{escape(row.source)}</a>'
        rows.append([escape(row.title), *tables.figures_of(row, metrics), link, escape(row.status)])
    return f"<h3>{escape(table.heading)}</h3>{_grid(rows)}{_soft(table.about)}"


def _intervals(section: Section) -> str:
    marks = _marks(section, section.group.primary)
    name, lower = title(section.group.primary), higher_is_better(section.group.primary) is False
    name = f"{name} (lower is better)" if lower else name
    return _figure(svg.intervals(marks, name), f"{name}: mean over test users with 95 % intervals") if marks else ""


def _marks(section: Section, metric: str, against: Cost | None = None) -> list[Mark]:
    found = []
    for row in section.group.rows:
        value, cost = row.metrics.get(metric), 0.0 if against is None else against.value(row)
        if value is not None and cost is not None:
            low, high = (value.mean if bound is None else bound for bound in (value.low, value.high))
            least = against.least if against is not None else 0.0
            run_id = row.run.id
            label = section.names[run_id]
            found.append(Mark(label, palette.of(run_id), value.mean, low, high, max(cost, least)))
    return found


def _cost(section: Section, cost: Cost) -> str:
    marks, metric = _marks(section, section.group.primary, cost), section.group.primary
    if len(marks) < 2:
        return ""
    places = front([(mark.against, mark.value) for mark in marks], lower=higher_is_better(metric) is False)
    drawn = svg.scatter(
        marks, title(metric), f"{cost.unit} (logarithmic)", front=[marks[place] for place in places], log=True
    )
    return _figure(drawn, f"{cost.title}: joined by dots is what no other run beats in both. {cost.help}")


def _curve(learned: Sequence[Curves], section: Section, name: str) -> str:
    dashes = palette.dashes([one.run.id for one in learned])
    lines = [
        Line(
            section.names[one.run.id],
            palette.of(one.run.id),
            [(float(epoch), value) for epoch, value in one.series[name]],
            one.run.best_epoch,
            dashes[one.run.id],
        )
        for one in learned
        if name in one.series and len(one.series[name]) > 1
    ]
    if not lines:
        return ""
    on = " on the validation users" if name in DECIDING else ""
    said = title(name) if on else name.capitalize() if name != "kl" else "KL divergence"
    key = " ".join(
        f'<span class="dot" style="background:{line.ink}"></span>{escape(line.label)}{_dashed(line)}' for line in lines
    )
    return _figure(svg.curves(lines, said), f"{said}{on}, a ring at the best epoch. {key}", safe=True)


def _dashed(line: Line) -> str:
    return " (dashed)" if line.dashes else ""


def _parts(section: Section, view: SliceView) -> str:
    rows = [["Model", *(f"{part.name} ({part.size:,})" for part in view.parts)]]
    for run_id, cells in view.cells.items():
        figures = ["-" if cell.mean != cell.mean else f"{cell.mean:.4f} ± {(cell.high - cell.low) / 2:.4f}"
                   for cell in cells]  # fmt: skip
        rows.append([escape(section.names[run_id]), *figures])
    who = "users" if view.by == "activity" else "items"
    head = f"<h3>{escape(title(view.metric))} by {PARTS[view.by]}</h3>"
    return f"{head}{_grid(rows)}{_soft(f'In brackets the number of {who} of each part.')}"


def _settings(section: Section) -> list[str]:
    facts = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in section.facts())
    settings = _grid([[escape(cell) for cell in row] for row in section.settings()])
    versions = "".join(_soft(said) for said in section.versions())
    tex = escape(markdown.latex_of(section))
    return [
        f"<details><summary>Data and split</summary><table><tbody>{facts}</tbody></table></details>",
        f"<details><summary>Settings, seeds, devices and versions</summary>{settings}{versions}</details>",
        f"<details><summary>The table in LaTeX</summary><pre>{tex}</pre></details>",
    ]


def _over_seeds(report: ComparisonReport) -> str:
    parts = ["<h2>Over seeds</h2>"]
    for table in report.over_seeds:
        metrics = seed_tables.columns_of(table)
        rows = [[escape(cell) for cell in row] for row in seed_tables.lines(table, metrics, title)]
        parts += [f"<h3>{escape(table.label)}</h3>", _grid(rows)]
    return "\n".join([*parts, _soft(f"{seed_tables.NOTE}.")])


def _grid(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows[1:])
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _figure(drawn: str, said: str, *, safe: bool = False) -> str:
    return f"<figure>{drawn}<figcaption>{said if safe else escape(said)}</figcaption></figure>"


def _soft(said: str) -> str:
    return f'<p class="soft">{escape(said)}</p>' if said else ""


def _note(said: str) -> str:
    return f'<p class="note">{escape(said)}</p>'
