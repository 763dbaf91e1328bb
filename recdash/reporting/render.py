"""A comparison report as text in one of its forms: HTML, Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recdash.errors import UsageError, unknown
from recdash.reporting import html, markdown
from recdash.reporting.content import ComparisonReport

FORMS = {"html": ".html", "md": ".md", "latex": ".tex"}


def text(report: ComparisonReport, form: str) -> str:
    """Return the report as "html", "md" or "latex" (its tables alone)."""
    write: dict[str, Callable[[ComparisonReport], str]] = {
        "html": html.page,
        "md": markdown.page,
        "latex": markdown.latex,
    }
    if form not in write:
        raise unknown("form of report", form, FORMS)
    return write[form](report)


def form_of(path: Path) -> str:
    """Return the form that a file's ending asks for; raises UsageError for any other ending."""
    for form, ending in FORMS.items():
        if path.suffix.lower() == ending:
            return form
    raise UsageError(f"{path.name} ends in none of {', '.join(FORMS.values())}. Name the file for example report.html.")
