"""Changes of a taste with undo and redo; values only, so that a page can keep them in its session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from recdash.recommend.taste import LIKE, Mark, parse_mark

MAX_STEPS = 100  # of undo
Entries = tuple[tuple[str, Mark], ...]  # item id and mark, in order


@dataclass(frozen=True)
class TasteHistory:
    """The entries of a taste, and those before and after it.

    Attributes:
        entries: Item ids and marks, in order.
        past: Earlier entries, the latest last, each with the change that replaced it, for example "picked".
        future: Entries that were undone, the next one last, with the change that led to them.
    """

    entries: Entries = ()
    past: tuple[tuple[Entries, str], ...] = field(default=())
    future: tuple[tuple[Entries, str], ...] = field(default=())

    @property
    def marks(self) -> Mapping[str, Mark]:
        """Marks by item id."""
        return dict(self.entries)

    def set(self, entries: Entries, change: str) -> Self:
        """Return the history after a change; unchanged entries are no step."""
        if entries == self.entries:
            return self
        past = (*self.past, (self.entries, change))[-MAX_STEPS:]
        return replace(self, entries=entries, past=past, future=())

    def mark(self, item_id: str, mark: Mark = LIKE) -> Self:
        """Return the history with an item marked: at its place if it is there, else at the end."""
        if item_id in self.marks:
            entries = tuple((one, mark if one == item_id else old) for one, old in self.entries)
        else:
            entries = (*self.entries, (item_id, mark))
        return self.set(entries, "mark")

    def remove(self, item_id: str) -> Self:
        """Return the history without an item."""
        return self.set(tuple(entry for entry in self.entries if entry[0] != item_id), "remove")

    def move(self, item_id: str, to: int) -> Self:
        """Return the history with an item moved to a position, counted from 0."""
        marks = self.marks
        if item_id not in marks:
            return self
        ids = [one for one in marks if one != item_id]
        ids.insert(max(0, min(to, len(ids))), item_id)
        return self.set(tuple((one, marks[one]) for one in ids), "move")

    def clear(self) -> Self:
        """Return the history with no entries."""
        return self.set((), "clear")

    def undo(self) -> Self:
        """Return the history before the last change; the same if there is none."""
        if not self.past:
            return self
        entries, change = self.past[-1]
        return replace(self, entries=entries, past=self.past[:-1], future=(*self.future, (self.entries, change)))

    def redo(self) -> Self:
        """Return the history after the last undone change; the same if there is none."""
        if not self.future:
            return self
        entries, change = self.future[-1]
        return replace(self, entries=entries, past=(*self.past, (self.entries, change)), future=self.future[:-1])

    def apply(self, action: Mapping[str, Any]) -> Self:
        """Return the history after an action of a page.

        Args:
            action: A dict with "kind" ("like", "dislike", "mark", "remove", "move", "clear", "undo" or "redo") and,
                where the kind needs them, "id", "mark" and "to". Anything else changes nothing.
        """
        kind, item_id = action.get("kind"), str(action.get("id", ""))
        if kind in ("undo", "redo", "clear"):
            return {"undo": self.undo, "redo": self.redo, "clear": self.clear}[kind]()
        if not item_id:
            return self
        if kind in ("like", "dislike", "mark"):
            try:
                return self.mark(item_id, parse_mark(str(action.get("mark", kind))))
            except ValueError:
                return self
        if kind == "remove":
            return self.remove(item_id)
        if kind == "move" and isinstance(action.get("to"), int):
            return self.move(item_id, action["to"])
        return self
