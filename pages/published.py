"""Published: a published table as printed, as recomputed with its own evaluation, and corrected."""

from recdash.services import reproduce_files, reproduce_lock
from recdash.ui import layout, published_page

layout.heading(
    "Published",
    "Published tables as printed, recomputed with the evaluation of the published code, and corrected.",
    needs_store=False,
)
table = published_page.choose_table()
layout.title(published_page.TABLES[table])
document = reproduce_files.latest(table) or reproduce_files.empty(table)
if table == "metarec":
    published_page.headline(document)
published_page.introduction(table)
now = reproduce_lock.running(table)
published_page.status(table, document, now)
published_page.charts(table, document)
published_page.next_steps(table, document, now)
published_page.explanations(table, document)
published_page.all_numbers(document)
