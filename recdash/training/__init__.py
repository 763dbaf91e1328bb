"""One loop for models with gradients, one for alternating ones, `solve` for the others; nothing is written."""

from recdash.training.fit import fit
from recdash.training.loop import EpochRecord
from recdash.training.state import TrainingState

__all__ = ["EpochRecord", "TrainingState", "fit"]
