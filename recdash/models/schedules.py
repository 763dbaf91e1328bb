"""Schedules: quantities that change during a training."""

from __future__ import annotations


def anneal(
    update: int, planned_updates: int, *, cap: float, reach_cap_at: float, anneal_updates: int | None = None
) -> float:
    """Return the weight of the KL divergence after some updates (Liang et al., WWW 2018, section 2.2.2).

    It rises linearly from 0 and stays at `cap`.

    Args:
        update: Updates done.
        planned_updates: Updates of the whole training.
        cap: Largest weight.
        reach_cap_at: Share of the planned updates after which the cap is reached, which suits data of any size.
        anneal_updates: The paper's T in place of `reach_cap_at`: the weight is update / T up to the cap.
    """
    if anneal_updates is not None:
        return min(cap, update / anneal_updates)
    rise = reach_cap_at * planned_updates
    return cap if update >= rise else cap * update / rise
