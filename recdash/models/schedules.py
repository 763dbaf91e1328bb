"""Quantities that change in the course of a training."""

from __future__ import annotations


def anneal(update: int, planned: int, *, cap: float, reach_cap_at: float, anneal_updates: int | None = None) -> float:
    """Weight of the KL divergence after `update` gradient updates (Liang et al., WWW 2018, section 2.2.2).

    Rises linearly from 0 and stays at `cap`. `anneal_updates` is the paper's T: beta = update / T. Without it the
    cap is met after the share `reach_cap_at` of the `planned` updates, which carries over to data of any size.
    """
    if anneal_updates is not None:
        return min(cap, update / anneal_updates)
    rise = reach_cap_at * planned
    return cap if update >= rise else cap * update / rise
