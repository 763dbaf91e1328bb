"""Every registered model, trained for a moment on toy data with genres."""

from __future__ import annotations

import pytest

from recdash.data.catalogue import Catalogue
from recdash.models import registry
from recdash.models.base import Model
from recdash.recommend.item_popularity import ItemPopularity
from recdash.training import fit
from tests.toy_data import toy_dataset, toy_split

GENRES = ("Drama", "Comedy", "Horror")


def with_genres(catalogue: Catalogue) -> Catalogue:
    """Give every item the genre of its group, and every fifth a second one."""
    items = []
    for item in catalogue.items:
        number = int(item.id) - 1
        second = ("Musical",) if number % 5 == 0 else ()
        items.append(item._replace(genres=(GENRES[number % 3], *second)))
    return Catalogue(tuple(items))


@pytest.fixture(scope="session")
def toy_models() -> dict[str, Model]:
    small = {"epochs": 2, "latent": 8, "hidden": (), "hidden_width": 16, "embedding": 8, "recurrent": 8}
    split, made = toy_split(), {}
    for name in registry.names():
        fields = registry.model_class(name).config_class.__dataclass_fields__
        made[name] = fit(name, split, **{key: value for key, value in small.items() if key in fields})
        made[name].catalogue = with_genres(made[name].catalogue)
    return made


@pytest.fixture(scope="session")
def toy_popularity() -> ItemPopularity:
    return ItemPopularity.of(toy_dataset())
