"""What is wrong with each row of the public tables, in plain words and with the lines of the public code."""

from __future__ import annotations

from dataclasses import dataclass

_METAREC = "https://github.com/khanhnamle1994/MetaRec/blob/b5e36cb/Autoencoders-Experiments/"
_LARGE = "https://github.com/abdelrahmanHamdyG/MultiVAE-MultiDAE-Recommender/blob/3f8ed37/scripts/"
LOWERS, RAISES = "It lowers the number.", "It raises the number."
BETTER, UNKNOWN = "It lowers the error, so the model looks better.", "Which way it moves the number is not known."


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong. effect: what it does to the printed number.  where: lines of the public code."""

    what: str
    effect: str
    where: str
    url: str


@dataclass(frozen=True)
class Explanation:
    """One model of a table. plain: for somebody who has never trained a model."""

    model: str
    title: str
    plain: str
    mistakes: tuple[Mistake, ...]


def _at(what: str, effect: str, path: str, first: int, last: int = 0, base: str = _METAREC) -> Mistake:
    lines = f"#L{first}-L{last}" if last else f"#L{first}"
    said = f"{path}, lines {first} to {last}" if last else f"{path}, line {first}"
    return Mistake(what, effect, said, f"{base}{path}{lines}")


def _seen(path: str, line: int) -> Mistake:
    what = (
        "The scores of movies already rated are set to minus infinity in a copy that is thrown away, so they stay in."
    )
    return _at(what, LOWERS, path, line)


def _on_test(folder: str) -> Mistake:
    what = "After every epoch the model is judged on the test ratings, and the best epoch is the one printed."
    return _at(what, RAISES, f"{folder}/Trainer.py", 66, 77)


METAREC = (
    Explanation(
        "ease",
        "EASE",
        "Asked what somebody should watch next, the program may answer with movies that person has already rated. Here "
        "nobody took those out of the lists, and since a good model likes them best, they fill half of every list. "
        "The better a model knows a person, the worse this makes it look.",
        (
            _seen("ESAE-PyTorch/ESAE.py", 98),
            _at(
                "The one solution is computed again in each of 50 epochs, so the printed running time is that of 50.",
                "It lengthens the printed time.",
                "ESAE-PyTorch/ESAE.py",
                54,
                71,
            ),
        ),
    ),
    Explanation(
        "multvae",
        "Mult-VAE",
        "The same movies stay in these lists. On top of that the training was stopped at the moment that suited the "
        "exam questions best, and the random noise that gives this model its name was turned down to nearly nothing.",
        (
            _seen("VAE-PyTorch/MultVAE.py", 165),
            _on_test("VAE-PyTorch"),
            _at(
                "The noise of the code has a standard deviation of 0.01 in place of 1.",
                LOWERS,
                "VAE-PyTorch/MultVAE.py",
                79,
            ),
        ),
    ),
    Explanation(
        "cdae",
        "CDAE",
        "Again the movies already rated stay in, and the best moment was picked with the exam in hand. Here a person's "
        "list also depends on which other people happened to be asked at the same time.",
        (
            _seen("CDAE-PyTorch/CDAE.py", 132),
            _on_test("CDAE-PyTorch"),
            _at(
                "The input is scaled by how often each movie occurs in the batch, and batches are put together in "
                "another way for testing than for training.",
                LOWERS,
                "CDAE-PyTorch/CDAE.py",
                47,
                53,
            ),
            _at(
                "The users' vectors start far larger than everything they are added to.",
                LOWERS,
                "CDAE-PyTorch/CDAE.py",
                35,
            ),
        ),
    ),
    Explanation(
        "svae",
        "SVAE",
        "The number in the table is the score on people whose answers the model had been trained on: an exam on the "
        "homework. The test itself was run once, and its much lower score stands only in the log.",
        (
            _at(
                "The printed row is the training users' line of epoch 47 in the log.",
                RAISES,
                "SVAE-PyTorch/main.py",
                121,
            ),
            _at(
                "The last known movie is neither read nor taken out of the list.",
                LOWERS,
                "SVAE-PyTorch/data_parser.py",
                199,
                201,
            ),
            _at("The code is drawn at random also when the model is tested.", LOWERS, "SVAE-PyTorch/model.py", 80, 86),
            _at(
                "The weight of the KL divergence starts anew in every epoch.",
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
        "To guess the hidden ratings the model was handed those very ratings. With them in its input it looks as if it "
        "kept getting better for 500 rounds; without them it has been getting worse since about the sixtieth.",
        (
            _at(
                "The test matrix is the input of the evaluation.",
                BETTER,
                "AutoRec-TensorFlow/AutoRec.py",
                167,
                170,
            ),
            _at(
                "It is called I-AutoRec, and its rows are users.",
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
        "Its number is another kind of average from its neighbour's in the same column: first per person, then over "
        "people. That one is always smaller, so the two cannot be compared.",
        (
            _at(
                "What is printed as RMSE is the mean of the users' own RMSEs.",
                BETTER,
                "NVIDIA-DeepRec-TensorFlow/utils.py",
                95,
                123,
            ),
            _at("It is measured on another split than AutoRec.", UNKNOWN, "NVIDIA-DeepRec-TensorFlow/main.py", 28, 31),
        ),
    ),
)
VAE20M = (
    Explanation(
        "multvae",
        "Mult-VAE",
        "The printed score is that of the people on whom the best moment was chosen. The people kept for the real test "
        "were loaded and never asked.",
        (
            _at("The figures are those of the validation users.", RAISES, "vae_training.py", 162, 163, _LARGE),
            _at(
                "Recall divides by all held-out movies, also where there are more than 50.",
                LOWERS,
                "vae_training.py",
                30,
                38,
                _LARGE,
            ),
        ),
    ),
    Explanation(
        "multdae",
        "Mult-DAE",
        "As for Mult-VAE; and the brake that keeps its weights small was pulled 250 times too hard.",
        (
            _at("The figures are those of the validation users.", RAISES, "dae_training.py", 130, 131, _LARGE),
            _at(
                "Weight decay of 0.01 on everything, 250 times the authors' value.",
                LOWERS,
                "dae_training.py",
                106,
                0,
                _LARGE,
            ),
        ),
    ),
)
BY_TABLE = {"metarec": METAREC, "vae20m": VAE20M}
