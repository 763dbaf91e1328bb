"""Search spaces: their texts, files in the form of RecBole's hyper.test, and the space of every model."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from recdash.errors import UsageError
from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.models.multvae import MultVAEConfig
from recdash.tuning.search_space import (
    declared_space,
    including,
    parse_options,
    parse_space,
    read_file,
    space_texts,
)

SHAPE = DataShape(4534, 3483, 435_180, (1.0, 5.0))


def dimension(text: str, name: str = "learning_rate"):
    (found,) = parse_space(MultVAEConfig, {name: text})
    return found


def test_ends_and_middle_of_each_form() -> None:
    log = dimension("log:1e-4..1e-2")
    assert [log.at(share) for share in (0, 0.5, 1)] == [1e-4, 1e-3, 1e-2]  # the geometric mean of the ends
    linear = dimension("0.1..0.7", "dropout")
    assert [linear.at(share) for share in (0, 0.5, 1)] == [0.1, 0.4, 0.7]
    stepped = dimension("0.1..0.7 step 0.2", "dropout")
    assert stepped.grid(99) == (0.1, 0.3, 0.5, 0.7)
    assert dimension("2..6", "latent").grid(9) == (2, 3, 4, 5, 6)
    assert dimension("choice:none,600,600-200", "hidden").choices == ((), (600,), (600, 200))
    assert dimension("64,100", "latent").choices == (64, 100)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("learning_rate", "log:0.0001..0.01"),
        ("dropout", "0.1..0.7"),
        ("dropout", "0.1..0.7 step 0.1"),
        ("latent", "2..600"),
        ("latent", "choice:64,100"),
        ("hidden", "choice:none,600-200"),
        ("initial", "choice:xavier,uniform"),
        ("anneal_updates", "choice:off,1000"),
    ],
)
def test_a_dimension_written_as_text_is_read_back(name: str, text: str) -> None:
    found = dimension(text, name)
    assert dimension(found.text, name) == found
    for share in (0.0, 0.3, 0.99, 1.0):
        value = found.at(share)
        again = found.share_of(value)
        assert again is not None and found.at(again) == value


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("learning_rate", "log:0..1", "ends above 0"),
        ("learning_rate", "1e-2..1e-4", "does not end above its start"),
        ("learning_rate", "log:1e-4..1e-2 step 1", "has a step"),
        ("learning_rate", "0..100", "outside"),
        ("learning_rate", "sometimes", "is not a number"),
        ("learning_rate", "uniform:1..2", "not a search space"),
        ("learning_rate", "", "not a search space"),
        ("learning_rate", "choice:", "not a search space"),
        ("latent", "1.5..3", "whole numbers"),
        ("latent", "1..4 step 9", "does not suit"),
        ("hidden", "1..4", "is no number"),
        ("initial", "choice:xavier,magic", "none of"),
        ("momentum", "0..1", "Unknown MultVAEConfig setting"),
    ],
)
def test_an_invalid_space_is_one_line(name: str, text: str, found: str) -> None:
    with pytest.raises(UsageError, match=found) as error:
        parse_space(MultVAEConfig, {name: text})
    assert "\n" not in str(error.value)


def test_off_leaves_a_setting_out() -> None:
    assert [one.name for one in parse_space(MultVAEConfig, {"latent": "off", "dropout": "0..0.5"})] == ["dropout"]


@pytest.mark.parametrize("texts", [["latent"], ["latent="], ["=1"], ["latent=1,2", "latent=3"]])
def test_options_are_name_and_values(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="--space"):
        parse_options(texts)


@pytest.mark.parametrize("name", registry.names())
def test_every_model_declares_a_space_that_its_settings_allow_and_that_includes_auto(name: str) -> None:
    config_class = registry.model_class(name).config_class
    texts = declared_space(config_class)
    space = parse_space(config_class, texts)
    assert space_texts(space) == texts or not space  # as it is written back, so that a study shows what is declared
    auto = registry.configure(name, SHAPE).to_dict()
    values = {one: tuple(value) if isinstance(value, list) else value for one, value in auto.items()}
    for one in including(space, values):
        assert one.share_of(values[one.name]) is not None, one
    for share in (0.0, 0.37, 1.0):
        registry.configure(name, SHAPE, "auto", {one.name: one.at(share) for one in space})
    assert bool(space) == bool(auto), "a model with settings has something to search"


def test_a_space_is_widened_to_include_a_preset_only_where_it_has_to_be() -> None:
    space = parse_space(
        MultVAEConfig, {"learning_rate": "log:1e-4..1e-3", "latent": "choice:64,100", "dropout": "0..0.9"}
    )
    wide = including(space, {"learning_rate": 1e-2, "latent": 200, "dropout": 0.5})
    assert space_texts(wide) == {
        "learning_rate": "log:0.0001..0.01",
        "latent": "choice:200,64,100",
        "dropout": "0..0.9",
    }


def test_a_file_in_the_form_of_recbole(tmp_path: Path) -> None:
    file = tmp_path / "hyper.test"
    file.write_text(
        "# of RecBole\nlearning_rate choice [0.01,0.005,0.001]\n\nhidden choice ['[600,200]','[]']\n"
        "dropout uniform 0.1,0.6\nbeta_cap loguniform -3,0\nlatent quniform 50,200,50\n"
    )
    texts = read_file(file)
    space = {one.name: one for one in parse_space(MultVAEConfig, texts)}
    assert space["learning_rate"].choices == (0.01, 0.005, 0.001)
    assert space["hidden"].choices == ((600, 200), ())
    assert (space["dropout"].low, space["dropout"].high) == (0.1, 0.6)
    assert space["beta_cap"].low == pytest.approx(math.exp(-3), rel=1e-5) and space["beta_cap"].high == 1.0
    assert space["latent"].grid(9) == (50, 100, 150, 200)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("learning_rate\n", "line 1: expected NAME KIND VALUES"),
        ("learning_rate choice 0.1,0.2\n", "needs a list"),
        ("learning_rate normal 0,1\n", "is none of choice"),
        ("\nlearning_rate uniform 0\n", "line 2: uniform needs 2 numbers"),
        ("learning_rate uniform 0,x\n", "needs 2 numbers"),
        ("learning_rate loguniform 0,1e9\n", "natural logarithms"),
        ("a uniform 0,1\na uniform 0,1\n", "listed twice"),
        ("# nothing\n", "no setting is listed"),
    ],
)
def test_an_invalid_file_names_the_line(tmp_path: Path, text: str, found: str) -> None:
    file = tmp_path / "hyper.test"
    file.write_text(text)
    with pytest.raises(UsageError, match=found) as error:
        read_file(file)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_file(tmp_path / "nowhere")
