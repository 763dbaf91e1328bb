"""One loop for every model with gradients, `solve` for the others; records out, nothing written."""

from recdash.training.fit import fit
from recdash.training.loop import EpochRecord
from recdash.training.state import TrainingState

__all__ = ["EpochRecord", "TrainingState", "fit"]
