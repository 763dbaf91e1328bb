"""Every protocol has a note on what it measures and leaks."""

from __future__ import annotations

import pytest

from recdash.analysis.protocol_notes import note_on
from recdash.splits import PROTOCOLS


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_a_note(name: str) -> None:
    note = note_on(name)
    assert note is not None
    for text in (note.measures, note.leaks, note.caution):
        assert text.endswith(".") and len(text) > 25


def test_a_protocol_that_does_not_exist_has_none() -> None:
    assert note_on("guessing") is None


def test_only_protocols_cut_at_a_date_claim_that_nothing_later_is_learned_from() -> None:
    claim = "Nothing after the date is learned from"
    assert {name for name in PROTOCOLS if claim in (note_on(name) or note_on("strong")).leaks} == {  # type: ignore[union-attr]
        "strong-global-time",
        "ratings-temporal",
    }
