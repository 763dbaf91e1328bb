"""Who is trained on, who is held out, and what of the held-out users a model may see."""

from recdash.splits.protocols import PROTOCOLS, make_split
from recdash.splits.rating_split import RatingSplit
from recdash.splits.split import EvaluationPart, Split

__all__ = ["PROTOCOLS", "EvaluationPart", "RatingSplit", "Split", "make_split"]
