"""What is wrong with each model of the published tables, in plain English and with links to the public code.

`row_notes` has the sentences that quote computed values.
"""

from __future__ import annotations

from dataclasses import dataclass

_METAREC = "https://github.com/khanhnamle1994/MetaRec/blob/b5e36cb/Autoencoders-Experiments/"
_VAE20M = "https://github.com/abdelrahmanHamdyG/MultiVAE-MultiDAE-Recommender/blob/3f8ed37/scripts/"
LOWERS, RAISES = "It lowers the number.", "It raises the number."
BETTER, UNKNOWN = "It lowers the error, so the model looks better.", "Its effect on the number is unknown."


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Args:
        what: the mistake, in one sentence.
        effect: its effect on the printed number.
        where: file and lines of the public code.
        url: link to these lines.
    """

    what: str
    effect: str
    where: str
    url: str


@dataclass(frozen=True)
class Explanation:
    """The mistakes in one model's rows.

    Args:
        model: name of the model.
        title: title of the model.
        summary: a few sentences for readers who have never trained a model.
        mistakes: the mistakes, one by one.
    """

    model: str
    title: str
    summary: str
    mistakes: tuple[Mistake, ...]


def _mistake(what: str, effect: str, path: str, first: int, last: int = 0, base: str = _METAREC) -> Mistake:
    lines = f"#L{first}-L{last}" if last else f"#L{first}"
    where = f"{path}, lines {first} to {last}" if last else f"{path}, line {first}"
    return Mistake(what, effect, where, f"{base}{path}{lines}")


def _seen_not_removed(path: str, line: int) -> Mistake:
    what = (
        "The scores of rated movies are set to minus infinity in a copy that is then discarded, so these movies stay "
        "in the lists."
    )
    return _mistake(what, LOWERS, path, line)


def _epoch_chosen_on_test(folder: str) -> Mistake:
    what = "After every epoch the model is evaluated on the test ratings, and the best epoch is printed."
    return _mistake(what, RAISES, f"{folder}/Trainer.py", 66, 77)


METAREC = (
    Explanation(
        "ease",
        "EASE",
        "A recommendation should be a movie that the person has not rated yet. Here the movies already rated were not "
        "removed from the lists. A good model gives them the highest scores, so they fill about half of each list. The "
        "better the model knows a person, the lower its measured score.",
        (
            _seen_not_removed("ESAE-PyTorch/ESAE.py", 98),
            _mistake(
                "The same solution is computed again in each of 50 epochs; the printed running time covers them all.",
                "It increases the printed time.",
                "ESAE-PyTorch/ESAE.py",
                54,
                71,
            ),
        ),
    ),
    Explanation(
        "multvae",
        "Mult-VAE",
        "These lists contain the movies already rated, too. In addition, the epoch was chosen on the test ratings, "
        "which should be used only once, at the end. The random noise that makes this model variational was reduced to "
        "almost nothing.",
        (
            _seen_not_removed("VAE-PyTorch/MultVAE.py", 165),
            _epoch_chosen_on_test("VAE-PyTorch"),
            _mistake(
                "The noise in the latent code has a standard deviation of 0.01 instead of 1.",
                LOWERS,
                "VAE-PyTorch/MultVAE.py",
                79,
            ),
        ),
    ),
    Explanation(
        "cdae",
        "CDAE",
        "These lists contain the movies already rated, too, and the epoch was chosen on the test ratings. In addition, "
        "a person's list depends on which other people are scored in the same batch.",
        (
            _seen_not_removed("CDAE-PyTorch/CDAE.py", 132),
            _epoch_chosen_on_test("CDAE-PyTorch"),
            _mistake(
                "The input is scaled by how often each movie occurs in the batch, and batches are composed "
                "differently in testing and in training.",
                LOWERS,
                "CDAE-PyTorch/CDAE.py",
                47,
                53,
            ),
            _mistake(
                "The initial user vectors are far larger than the terms that they are added to.",
                LOWERS,
                "CDAE-PyTorch/CDAE.py",
                35,
            ),
        ),
    ),
    Explanation(
        "svae",
        "SVAE",
        "The number in the table was measured on people whose hidden movies were part of the training, so the model "
        "had already seen the answers. The score on test users is much lower and is only in the log.",
        (
            _mistake(
                "The printed row is the line of the training users at epoch 47 of the log.",
                RAISES,
                "SVAE-PyTorch/main.py",
                121,
            ),
            _mistake(
                "The last known movie is neither read nor removed from the list.",
                LOWERS,
                "SVAE-PyTorch/data_parser.py",
                199,
                201,
            ),
            _mistake("The latent code is sampled in the test as well.", LOWERS, "SVAE-PyTorch/model.py", 80, 86),
            _mistake(
                "The annealing of the KL divergence restarts in every epoch.",
                UNKNOWN,
                "SVAE-PyTorch/train.py",
                26,
                29,
            ),
        ),
    ),
    Explanation(
        "autorec",
        "AutoRec",
        "The model should predict hidden ratings, but these ratings were part of its input. Measured this way, it "
        "seems to improve over all 500 epochs; measured without them, it gets worse after about epoch 60.",
        (
            _mistake(
                "The test matrix is the input of the evaluation.",
                BETTER,
                "AutoRec-TensorFlow/AutoRec.py",
                167,
                170,
            ),
            _mistake(
                "The model is called I-AutoRec, but its rows are users.",
                "It raises the error.",
                "AutoRec-TensorFlow/AutoRec.py",
                87,
                103,
            ),
        ),
    ),
    Explanation(
        "deeprec",
        "DeepRec",
        "The number is a different average from AutoRec's number in the same column: the error is averaged first per "
        "person, then over people. Here this gives a smaller number, so the two cannot be compared.",
        (
            _mistake(
                "The number printed as RMSE is the mean of the users' own RMSEs.",
                BETTER,
                "NVIDIA-DeepRec-TensorFlow/utils.py",
                95,
                123,
            ),
            _mistake("Its split differs from AutoRec's.", UNKNOWN, "NVIDIA-DeepRec-TensorFlow/main.py", 28, 31),
        ),
    ),
)
VAE20M = (
    Explanation(
        "multvae",
        "Mult-VAE",
        "The printed score was measured on the validation users, on whom the epoch was chosen. The test users were "
        "loaded but never evaluated.",
        (
            _mistake(
                "The printed numbers are those of the validation users.", RAISES, "vae_training.py", 162, 163, _VAE20M
            ),
            _mistake(
                "Recall divides by all held-out movies, even where a user has more than 50.",
                LOWERS,
                "vae_training.py",
                30,
                38,
                _VAE20M,
            ),
        ),
    ),
    Explanation(
        "multdae",
        "Mult-DAE",
        "The printed score was measured on the validation users, as for Mult-VAE. In addition, the weight decay, which "
        "keeps the weights small, is 250 times too strong.",
        (
            _mistake(
                "The printed numbers are those of the validation users.", RAISES, "dae_training.py", 130, 131, _VAE20M
            ),
            _mistake(
                "The weight decay is 0.01 for all parameters, 250 times the authors' value.",
                LOWERS,
                "dae_training.py",
                106,
                0,
                _VAE20M,
            ),
        ),
    ),
)
BY_TABLE = {"metarec": METAREC, "vae20m": VAE20M}
