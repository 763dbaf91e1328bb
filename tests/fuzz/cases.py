"""One generated call with the answer that it must give, or that it must be refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recdash.errors import RecdashError
from tests.fuzz.odd_arrays import REFUSED


@dataclass(frozen=True)
class Case:
    """One call: `truth` is its answer in plain values, a check of the answer, or REFUSED.

    either: the call may also be refused, because the input can be read but need not be.
    """

    what: str
    call: Callable[[], Any]
    truth: Any
    either: bool = False


def judge(case: Case) -> str:
    """Make the call; returns "answer" or "error", raises AssertionError for anything but what is allowed."""
    try:
        answer = case.call()
    except RecdashError as error:
        text = str(error)
        assert text and len(text.splitlines()) == 1 and len(text) < 1000, text
        assert case.either or case.truth == REFUSED, f"refused: {text}"
        return "error"
    assert not (isinstance(case.truth, str) and case.truth == REFUSED), f"answered: {answer}"
    if callable(case.truth):
        assert case.truth(answer), f"another answer: {answer}"
    elif isinstance(case.truth, np.ndarray):
        np.testing.assert_allclose(answer, case.truth, rtol=1e-5, atol=1e-6)
    else:
        assert answer == case.truth, f"another answer: {answer}, not {case.truth}"
    return "answer"
