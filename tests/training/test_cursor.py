"""The cursor: which updates an epoch has, and that it resumes from every position."""

from __future__ import annotations

from itertools import product

import pytest

from recdash.training.cursor import Cursor, Step
from recdash.training.state import Position

PASSES, BATCHES = (2, 1, 3), 4
ALL = [
    (phase, pass_index, batch) for phase, n in enumerate(PASSES) for pass_index, batch in product(range(n), range(4))
]


def run(cursor: Cursor, updates: int | None = None) -> list[Step]:
    """Do the remaining updates of the epoch, or so many of them."""
    done: list[Step] = []
    for step in cursor:
        done.append(step)
        cursor.advance(0.5)
        if len(done) == updates:
            break
    return done


def test_an_epoch_has_every_batch_of_every_pass_of_every_phase_in_order() -> None:
    cursor = Cursor(PASSES, BATCHES)
    steps = run(cursor)
    assert [step[:3] for step in steps] == ALL
    assert cursor.updates_per_epoch == len(ALL) == cursor.position.update


def test_a_phase_is_entered_at_its_first_pass_and_a_pass_at_its_first_batch() -> None:
    for step in run(Cursor(PASSES, BATCHES)):
        assert step.enters_pass == (step.batch == 0)
        assert step.enters_phase == (step.pass_index == step.batch == 0)
        assert step.resumes_phase != step.enters_phase


@pytest.mark.parametrize("stop_after", range(1, len(ALL) + 1))
def test_a_cursor_resumes_from_every_position_with_the_remaining_updates(stop_after: int) -> None:
    first = Cursor(PASSES, BATCHES)
    run(first, stop_after)
    second = Cursor(PASSES, BATCHES, first.position)
    rest = run(second)
    assert [step[:3] for step in rest] == ALL[stop_after:]
    assert second.position.update == len(ALL)
    assert second.position.epoch_seconds == second.position.seconds == len(ALL) / 2
    if rest:
        assert rest[0].enters_phase and rest[0].enters_pass
        assert rest[0].resumes_phase == (rest[0].pass_index + rest[0].batch > 0)


def test_a_position_at_the_end_of_a_pass_is_the_start_of_the_next_one() -> None:
    at_end = Position(
        epoch=3, update=100, phase=0, pass_index=1, batch=BATCHES
    )  # as saved by a stop after the last batch
    step = next(iter(Cursor(PASSES, BATCHES, at_end)))
    assert step[:3] == (1, 0, 0) and not step.resumes_phase


def test_finishing_an_epoch_keeps_the_totals_and_clears_the_rest() -> None:
    cursor = Cursor(PASSES, BATCHES)
    run(cursor)
    cursor.position.sums["loss"] = (1.0, 1)
    cursor.finish_epoch(unstable_epoch=1)
    expected = Position(epoch=1, update=len(ALL), seconds=len(ALL) / 2, unstable_epoch=1)
    assert cursor.position == expected
    assert [step[:3] for step in run(cursor)] == ALL


def test_phases_without_passes_are_left_out() -> None:
    steps = run(Cursor((0, 0, 2), 3))
    assert [step[:3] for step in steps] == [(2, pass_index, batch) for pass_index, batch in product(range(2), range(3))]
