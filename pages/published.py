"""Published: a public table as it is printed, as its code computes it, and as it should be."""

from recdash.services import reproduce
from recdash.ui import layout, published_page

layout.heading(
    "Published",
    "What a public table prints, what its code really measures, and what comes out when it is done properly.",
    needs_store=False,
)
table = published_page.choose()
found = reproduce.look(table) or reproduce.bare(table)
slot = published_page.sentence(found) if table == "metarec" else None
published_page.story(table)
live = reproduce.live(table)
published_page.state(table, found, live)
published_page.picture(table, found)
published_page.todo(table, found, live)
published_page.explanations(table, found)
published_page.numbers(found)
if slot is not None:
    published_page.now(slot)
