"""Jobs are done once each, whatever the threads; an error reaches the thread that waits."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from recdash.models.job_queue import JobQueue


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(autouse=True)
def _with_threads(threads: int) -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    yield
    torch.set_num_threads(before)


def test_every_job_is_done_once_with_one_thread_and_without_gradients(threads: int) -> None:
    done: list[tuple[int, int, bool]] = []

    def job(number: int) -> None:
        done.append((number, torch.get_num_threads(), torch.is_grad_enabled()))

    with JobQueue(8) as jobs:
        for number in range(20):
            jobs.put(partial(job, number))
        jobs.join()
        assert sorted(done) == [(number, 1, False) for number in range(20)]
        jobs.put(partial(job, 20))
    assert torch.get_num_threads() == threads


def test_an_error_of_a_job_is_raised_by_join_and_the_threads_come_back(threads: int) -> None:
    def fails() -> None:
        raise MemoryError("full")

    with pytest.raises(MemoryError, match="full"), JobQueue(8) as jobs:
        jobs.put(fails)
        jobs.join()
    assert torch.get_num_threads() == threads
