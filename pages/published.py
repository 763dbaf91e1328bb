"""Published: a public table as it is printed, as its code computes it, and as it should be."""

from recdash.services import reproduce
from recdash.ui import frame, published

frame.heading(
    "Published",
    "What a public table prints, what its code really measures, and what comes out when it is done properly.",
    needs_store=False,
)
table = published.choose()
found = reproduce.look(table) or reproduce.bare(table)
slot = published.sentence(found) if table == "metarec" else None
published.story(table)
live = reproduce.live(table)
published.state(table, found, live)
published.picture(table, found)
published.todo(table, found, live)
published.explanations(table, found)
published.numbers(found)
if slot is not None:
    published.now(slot)
