"""What each protocol measures, what it lets models see, and with which results its figures cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass

from recdash.splits import user_defined


@dataclass(frozen=True, kw_only=True)
class ProtocolNote:
    """A note on one protocol.

    Attributes:
        measures: What a good figure means.
        leaks: What models know that they would not know in use, or that nothing leaks.
        caution: What the figures cannot be compared with, or how they mislead.
    """

    measures: str
    leaks: str
    caution: str


_NO_DATES = (
    "Time is ignored: a model may read items that a user rated after the held-out ones, and it learns from users who "
    "came later. In use, only the past is known, and figures are lower."
)
_SELECTION = "Epochs and settings are chosen on the validation part; the test part is read once."
_MISSING = (
    "Only rated items count as relevant. An unrated item that the user would like counts as a miss, and popular items "
    "are rated more often, so that the figures favour popular items."
)

NOTES = {
    "strong": ProtocolNote(
        measures="Lists for users who were not in the training data, from four fifths of their positives.",
        leaks=_NO_DATES,
        caution=f"{_SELECTION} {_MISSING}",
    ),
    "strong-temporal": ProtocolNote(
        measures="What unseen users liked next: the last fifth of each history, from the first four fifths.",
        leaks="The order inside each history is respected, but training users may have rated after the test users, so "
        "that popularity and similarities come from the whole period.",
        caution=f"{_SELECTION} Much harder than a random hold-out: EASE on MovieLens-1M has an NDCG@100 of .229 here "
        "and .416 there. Never compare the two.",
    ),
    "strong-global-time": ProtocolNote(
        measures="Lists for users after one date, by models that were trained on the data before it.",
        leaks="Nothing after the date is learned from. It is the closest to real use.",
        caution="Users who are active on both sides of the date and items that appear after it are left out or counted "
        "as misses, so that fewer users are scored and intervals are wider.",
    ),
    "weak": ProtocolNote(
        measures="Further items for users whose other positives were in the training data.",
        leaks="Models are trained on four fifths of the test users' own histories, and time is ignored. Models with a "
        "parameter for each user can memorise them.",
        caution="Figures are higher than for unseen users, and say nothing about users who join after the training.",
    ),
    "ratings-90": ProtocolNote(
        measures="The size of the error of predicted ratings, for pairs that were rated.",
        leaks="Ratings are held out at random, so that a model may learn from later ratings of the same user and item.",
        caution="Errors on rated items say little about the ranking of unrated ones. The pooled RMSE is dominated by "
        "active users; macro RMSE counts every user once.",
    ),
    "ratings-temporal": ProtocolNote(
        measures="The size of the error of ratings that were given after a date.",
        leaks="Nothing after the date is learned from.",
        caution="Users and items without earlier ratings are left out, so that the remaining ones are the well known "
        "ones.",
    ),
    "published-implicit": ProtocolNote(
        measures="Further items for known users, with every rating as a positive, even one star.",
        leaks="Models are trained on four fifths of the test users' own ratings, and time is ignored.",
        caution="The printed table left seen items in the lists and chose the epoch on the test set. Here both are "
        "corrected, so that figures are much higher than the printed ones: EASE .479 instead of .256 NDCG@100.",
    ),
    "published-svae": ProtocolNote(
        measures="What unseen users with 5 to 1,000 positives liked next.",
        leaks="The order inside each history is respected, but training users may have rated after the test users.",
        caution="The printed row was measured on training users; the test figures are lower.",
    ),
    "published-vae20m": ProtocolNote(
        measures="Lists for unseen users, from four fifths of their positives.",
        leaks=_NO_DATES,
        caution="The printed figures were measured on the validation users, on which the checkpoint was chosen.",
    ),
    "published-autorec": ProtocolNote(
        measures="The size of the error of predicted ratings, with a random quarter held out.",
        leaks="Ratings are held out at random, so that a model may learn from later ratings of the same user and item.",
        caution="The printed .910 read the test ratings as input. Read the training ratings, and the RMSE of the last "
        "epoch is 1.23, that of the best near .89.",
    ),
    "published-deeprec": ProtocolNote(
        measures="The size of the error of predicted ratings, with a tenth of each user's ratings held out.",
        leaks="Ratings are held out at random, so that a model may learn from later ratings of the same user and item.",
        caution="The printed .9310 is a mean of per-user RMSEs, about .03 below the pooled RMSE. Compare it with macro "
        "RMSE only.",
    ),
}
NOTES["ratings-80"] = NOTES["ratings-90"]
_OWN = ProtocolNote(
    measures="Whatever the imported files hold out.",
    leaks="That depends on the files: models know whatever users, items and times are in the training file.",
    caution=f"{_SELECTION} Compare only runs on exactly these files.",
)
NOTES |= dict.fromkeys(user_defined.PROTOCOL_OF_TASK.values(), _OWN)


def note_on(protocol: str) -> ProtocolNote | None:
    """Return the note on a protocol; None for an unknown one."""
    return NOTES.get(protocol)
