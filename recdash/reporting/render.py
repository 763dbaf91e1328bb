"""A comparison report as text in one of its formats: HTML, Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recdash.errors import UsageError, unknown_name
from recdash.reporting import html, markdown
from recdash.reporting.content import ComparisonReport

FORMATS = {"html": ".html", "md": ".md", "latex": ".tex"}


def render(report: ComparisonReport, file_format: str) -> str:
    """Return a report as text.

    Args:
        report: The report.
        file_format: "html", "md" or "latex" (the tables only).

    Raises:
        UsageError: The format is unknown.
    """
    write: dict[str, Callable[[ComparisonReport], str]] = {
        "html": html.page,
        "md": markdown.page,
        "latex": markdown.latex,
    }
    if file_format not in write:
        raise unknown_name("report format", file_format, FORMATS)
    return write[file_format](report)


def format_of(path: Path) -> str:
    """Return the format for a file's ending; raises UsageError for any other ending."""
    for form, ending in FORMATS.items():
        if path.suffix.lower() == ending:
            return form
    raise UsageError(f"{path.name} does not end in {', '.join(FORMATS.values())}. Use a name such as report.html.")
