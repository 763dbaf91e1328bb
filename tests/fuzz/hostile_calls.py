"""Generated calls of the Python ways in, by number.

Run as a program with a first and a last number it works the calls off, names each before it starts, and ends with the
counts; a call that ends the process leaves its own number as the last one named.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
from numpy.random import Generator

from tests.fuzz import argument_calls, array_calls
from tests.fuzz.cases import Case, judge

SHARES: dict[Callable[[Generator], Case], int] = {
    array_calls.matrices_case: 30,
    array_calls.ratings_case: 20,
    array_calls.score_case: 14,
    array_calls.histories_case: 6,
    array_calls.predict_case: 10,
    argument_calls.recommend_case: 5,
    argument_calls.fit_case: 6,
    argument_calls.setting_case: 3,
    argument_calls.evaluate_case: 4,
    argument_calls.split_case: 4,
    argument_calls.small_data_case: 3,
}


def case_of(number: int) -> Case:
    """The case of a number, always the same one."""
    rng = np.random.default_rng([20_240, number])
    shares = np.array(list(SHARES.values()), float)
    return list(SHARES)[rng.choice(len(SHARES), p=shares / shares.sum())](rng)


def main(first: int, last: int) -> None:
    """Work off the cases from first to before last."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", RuntimeWarning)  # numpy's, of numbers that did not survive a conversion
    torch.set_num_threads(1)
    counts: Counter[str] = Counter()
    for number in range(first, last):
        print(f"case {number}", flush=True)
        case = case_of(number)
        print(f"  {case.what}", flush=True)
        counts[judge(case)] += 1
    print(f"done: {counts['answer']} answers, {counts['error']} errors", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
