"""The peak of memory is that of the training, not of what came before it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from recdash.runs import peak_memory

MIB = 2**20


def test_what_a_training_takes_is_seen() -> None:
    before = peak_memory.peak_bytes()
    assert before is not None and before > 10 * MIB
    peak_memory.forget_peak()
    start = peak_memory.peak_bytes()
    block = np.ones(240 * MIB, np.uint8)
    assert peak_memory.peak_bytes() >= start + 120 * MIB  # what earlier tests used may be given back meanwhile
    del block


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forget a peak")
def test_what_was_before_a_training_is_forgotten() -> None:
    peak_memory.forget_peak()
    start = peak_memory.peak_bytes()
    block = np.ones(240 * MIB, np.uint8)
    del block
    peak_memory.forget_peak()
    assert peak_memory.peak_bytes() < start + 40 * MIB


def test_memory_of_a_gpu_is_told_for_runs_on_one_alone() -> None:
    assert peak_memory.gpu_bytes(torch.device("cpu")) is None
