"""What one training costs by its shapes: work per epoch, memory and disk space, before anything is allocated.

The work is a number without unit: only the ratio of two trainings of one model is used, to scale a measured time. The
bytes are what the arrays take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.runs import snapshots

if TYPE_CHECKING:
    from recdash.settings import Config

_UPDATE_WORK = 5e7  # of the fixed cost of one update: calls of PyTorch, about 1 ms where 5e10 operations take a second
_SOFTMAX_WORK = 30  # operations per logit: exponentials, sums, gradient
_OPTIMISER_WORK = 12  # operations per parameter and update, of Adam
_OPERATIONS = 6  # per weight and row: two each for the output, the gradient of the input and that of the weight
_LOGIT_BYTES = 4 * 5  # logits, log-softmax, gradients of both, and a copy in another data type
_BLOCK_CELLS, _BLOCK_BYTES = 1 << 24, 16  # of blocks in which EASE and item-kNN count common users
_PAIR_BYTES = 40  # per interaction meanwhile: the matrix, its transpose, and a part of it
_DATA_BYTES = 60  # per interaction: the dataset, its order, and the parts of the split
_CATALOGUE_BYTES = 90  # per item, in the folder of the weights
_STATES = 2  # training states kept while a run trains
_RESULT_BYTES = 2_000  # per test user: metrics and a list of 100 items


@dataclass(frozen=True)
class Sizes:
    """Sizes of one training, from the shapes of its arrays.

    Attributes:
        parameters: Learned values.
        work: Operations of one epoch, or of the whole solution of a closed form, for ratios only.
        updates: Updates of one epoch; 1 for closed forms.
        working_bytes: Memory besides libraries and data.
        data_bytes: Memory of the dataset and its split, about.
        stored_bytes: Disk space of weights, snapshots and results of a finished run.
        state_bytes: Disk space of the training states, until the run finishes.
    """

    parameters: int
    work: float
    updates: int
    working_bytes: int
    data_bytes: int
    stored_bytes: int
    state_bytes: int


def sizes(model: str, config: Config, shape: DataShape) -> Sizes:
    """Return the sizes of a training.

    Args:
        model: Name of the model.
        config: Its full settings.
        shape: Size of the training part.
    """
    return _sizes(model, config, shape)


@lru_cache(maxsize=512)
def _sizes(model: str, config: Any, shape: DataShape) -> Sizes:
    shapes = _parameter_shapes(model, config, shape)
    if shapes:
        parameters, work, updates, memory = _of_gradient_model(model, config, shape, shapes)
    else:
        parameters, work, memory = _of_closed_form(model, config, shape)
        updates = 1
    has_epochs = hasattr(config, "epochs")
    ratings = 12 * shape.interactions if registry.model_class(model).task == "rating" else 0  # stored with the model
    weights = 4 * parameters + ratings
    one_snapshot = 2 * parameters + (1 << 14)  # float16
    n_snapshots = min(snapshots.MAX_SNAPSHOTS, snapshots.MAX_BYTES // one_snapshot) if has_epochs else 0
    return Sizes(
        parameters=parameters,
        work=work,
        updates=updates,
        working_bytes=int(memory + 2 * ratings),
        data_bytes=_DATA_BYTES * shape.interactions,
        stored_bytes=int(
            weights
            + _CATALOGUE_BYTES * shape.items
            + (n_snapshots * one_snapshot if n_snapshots >= 2 else 0)
            + _RESULT_BYTES * min(10_000, shape.users // 6 + 1)
        ),
        # weights and the best weights; for gradients also two moments of Adam and the average
        state_bytes=_STATES * (20 if shapes else 8) * parameters if has_epochs else 0,
    )


def _parameter_shapes(model: str, config: Any, shape: DataShape) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's parameters by name; nothing is allocated. Empty for closed forms."""
    import torch  # lazy: torch

    with torch.device("meta"):
        built: Any = registry.build(model, config, shape)
    return {name: tuple(one.shape) for name, one in built.named_parameters()} if hasattr(built, "parameters") else {}


def _of_gradient_model(
    model: str, config: Any, shape: DataShape, shapes: dict[str, tuple[int, ...]]
) -> tuple[int, float, int, float]:
    """Return parameters, work per epoch, updates per epoch, and bytes."""
    parameters = sum(math.prod(one) for one in shapes.values())
    sparse = [one for name, one in shapes.items() if name.endswith("first.weight")]  # multiplied by CSR rows
    looked_up = [one for name, one in shapes.items() if name in ("embedding", "users")]
    matrices = [one for one in shapes.values() if len(one) == 2]
    dense = sum(map(math.prod, matrices)) - sum(map(math.prod, [*sparse, *looked_up]))
    outputs = shapes["last.weight"][0] if "last.weight" in shapes else 0
    users = shape.items if getattr(config, "variant", "") == "item" else shape.users  # rows of the training matrix
    rows, batch_rows = users, min(config.batch_size, users)
    if registry.model_class(model).needs_order:  # one row per position of a sequence
        rows = shape.interactions
        batch_rows = 1024  # positions in memory at once, whatever the batch (`recdash.models.next_item_loss`)
    if model == "elsa":  # large batches take A'A in place of outputs; item vectors of length 1, and gradients of both
        sparse, dense = list(shapes.values()), int(dense * min(1.0, 2 * config.latent / (3 * batch_rows)))
    passes, updates_per_pass = _passes(config)
    updates = max(1, math.ceil(users / config.batch_size)) * updates_per_pass
    per_pass = _OPERATIONS * (rows * dense + shape.interactions * sum(one[1] for one in sparse))
    per_pass += _SOFTMAX_WORK * rows * outputs
    work = passes * per_pass + updates * (_OPTIMISER_WORK * parameters + _UPDATE_WORK)
    copies = 6 if config.averaging else 5  # weights, gradients, two moments, best weights, average
    memory = 4.0 * copies * parameters + _LOGIT_BYTES * batch_rows * outputs
    if registry.model_class(model).needs_order:  # activations and their gradients; lengths vary about tenfold
        length = min(config.longest, 10 * shape.interactions / max(1, users))
        memory += 8 * config.batch_size * length * sum(one[0] for one in matrices if one not in looked_up)
    if model == "elsa":
        memory += 4.0 * 3 * parameters + 4.0 * min(batch_rows, config.latent) * shape.items
    if hasattr(config, "encoder_passes"):  # RecVAE: the old encoder, and the posterior of every user
        memory += 4 * parameters + 8 * users * config.latent
    return parameters, float(work), updates, memory


def _passes(config: Any) -> tuple[float, int]:
    """Return the full passes that an epoch amounts to, and its passes as they count for updates."""
    if hasattr(config, "encoder_passes"):  # the decoder's passes have no gradient in the encoder
        return config.encoder_passes + 0.5 * config.decoder_passes, config.encoder_passes + config.decoder_passes
    again = getattr(config, "refeed", 0)
    return 1 + again, 1


def _of_closed_form(model: str, config: Any, shape: DataShape) -> tuple[int, float, float]:
    """Return stored values, work and bytes."""
    items, cells = shape.items, shape.items**2
    pairs = shape.interactions**2 / max(1, shape.users)  # of items in one history, at least
    counting = _BLOCK_BYTES * min(cells, _BLOCK_CELLS) + _PAIR_BYTES * shape.interactions
    if model == "ease":
        import torch  # lazy: torch

        from recdash.models.ease import EASE  # lazy: torch
        from recdash.models.ridge_weights import bytes_needed  # lazy: torch

        dtype = getattr(torch, EASE(config, shape).precision)
        memory = bytes_needed(items, dtype, torch.device("cpu")) + counting
        # the Cholesky factor and the inverse take items cubed
        return cells, float(items) ** 3 + 10 * pairs, float(memory)
    if model in ("itemknn", "rp3beta"):
        n_similar = items * min(items, config.neighbours)
        return n_similar, 10 * pairs + 50.0 * cells, float(counting + 48 * n_similar)
    if model == "ials":
        return _of_alternating(config, shape)
    sweeps = getattr(config, "sweeps", 1)
    return shape.users + items, float(sweeps * shape.interactions), 24.0 * shape.interactions


def _of_alternating(config: Any, shape: DataShape) -> tuple[int, float, float]:
    """Return stored values of iALS, work of one epoch, and bytes."""
    latent, rows = config.latent, shape.users + shape.items
    work = 0.0
    for count in (shape.users, shape.items):  # each solves a system of the shorter of its entries and the factors
        side = min(latent, shape.interactions / max(1, count))
        work += 2.0 * shape.interactions * latent * side + count * side**3 / 3
    factors = 8 * 6 * rows * latent  # in float64 while they are rotated, with their copies
    return shape.items * latent, work + 4.0 * rows * latent**2, factors + 3.0 * _PAIR_BYTES * shape.interactions
