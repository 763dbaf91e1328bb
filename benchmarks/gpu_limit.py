"""What a card allows: a Mult-VAE update written by hand and captured as one graph. A reference, not a model of recdash.

Rows are on the card; a batch is a vector of user numbers; its entries are padded to a fixed number, so that all shapes
are fixed and the update can be replayed without a launch per kernel.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

PADDING_SLACK = 1.15  # over the largest batch of a few random orders
ORDERS_TRIED = 5
MULTIPLE = 64  # of the item dimension: tensor cores need whole tiles


class HandWrittenUpdate:
    """One update of Mult-VAE, I-600-200-600-I, on the card.

    Args:
        matrix: (users, items) binary training rows.
        batch: Users of an update.
        device: "cuda"; "cpu" computes the same without a graph, for tests.
    """

    def __init__(
        self, matrix: sparse.csr_matrix, batch: int, device: str = "cuda", hidden: int = 600, latent: int = 200
    ) -> None:
        self.batch, self.device, self.latent = batch, device, latent
        self.n_users, self.n_items = matrix.shape
        self.width = -(-(self.n_items + 1) // MULTIPLE) * MULTIPLE  # one more column for padding
        self.indptr = torch.from_numpy(matrix.indptr.astype(np.int64)).to(device)
        self.items = torch.from_numpy(matrix.indices.astype(np.int64)).to(device)
        self.counts = self.indptr.diff()
        self.users = torch.zeros(batch, dtype=torch.int64, device=device)
        self.place = torch.arange(self._largest_batch(), device=device)  # (padded entries,)
        self.total = torch.zeros((), device=device)
        sizes = ((self.width, hidden), (hidden, 2 * latent), (latent, hidden), (hidden, self.width))
        self.weights = [torch.nn.init.xavier_uniform_(torch.empty(size, device=device)) for size in sizes]
        self.biases = [torch.zeros(size[1], device=device) for size in sizes]
        parameters = [tensor.requires_grad_() for tensor in (*self.weights, *self.biases)]
        on_card = {"capturable": True} if device == "cuda" else {}
        self.adam = torch.optim.Adam(parameters, 1e-3, fused=True, **on_card)
        self.no_item = torch.zeros(self.width, device=device)
        self.no_item[self.n_items :] = -torch.inf  # the padding never gets probability

    def _largest_batch(self) -> int:
        n = self.n_users // self.batch * self.batch
        orders = (torch.randperm(self.n_users, device=self.device)[:n] for _ in range(ORDERS_TRIED))
        return int(max(int(self.counts[order].view(-1, self.batch).sum(1).max()) for order in orders) * PADDING_SLACK)

    def update(self) -> None:
        """Assemble the batch of `users`, and take one step."""
        counts = self.counts[self.users]
        ends = counts.cumsum(0)
        row = torch.searchsorted(ends, self.place, right=True).clamp_(max=self.batch - 1)  # (padded entries,)
        at = (self.indptr[self.users][row] + self.place - (ends - counts)[row]).clamp_(max=len(self.items) - 1)
        item = torch.where(self.place < ends[-1], self.items[at], self.n_items)
        ones = torch.ones(len(row), device=self.device, dtype=torch.bfloat16)
        factors = (torch.rand(len(row), device=self.device) < 0.5).to(torch.bfloat16) * 2
        empty = torch.zeros(self.batch, self.width, device=self.device, dtype=torch.bfloat16)
        x = empty.index_put((row, item), ones)  # (batch, width)
        dropped = empty.index_put((row, item), factors * counts.float().rsqrt()[row].to(torch.bfloat16))
        x[:, self.n_items :] = 0
        dropped[:, self.n_items :] = 0
        (w1, w2, w3, w4), (b1, b2, b3, b4) = self.weights, self.biases
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            mu, logvar = (torch.tanh(dropped @ w1 + b1) @ w2 + b2).float().split(self.latent, 1)
            z = mu + torch.randn_like(mu) * torch.exp(logvar / 2)
            logits = torch.tanh(z @ w3 + b3) @ w4 + b4.to(torch.bfloat16)
        loss = (counts * self._log_total(logits) - (logits * x).sum(1, dtype=torch.float32)).mean()
        kl = (-0.5 * (1 + logvar - mu.square() - logvar.exp())).sum(1).mean()
        self.adam.zero_grad(set_to_none=False)
        (loss + 0.1 * kl).backward()
        self.adam.step()
        self.total.add_(loss.detach())

    def _log_total(self, logits: Tensor) -> Tensor:
        return torch.logsumexp(logits.float() + self.no_item, 1)  # (batch, width) -> (batch,)

    def captured(self) -> Callable[[], None]:
        """Return a function that replays the update."""
        self.users.copy_(torch.randperm(self.n_users, device=self.device)[: self.batch])
        if self.device == "cpu":
            return self.update
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.update()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.update()
        self._graph = graph
        return graph.replay

    def epochs(self, n: int) -> list[float]:
        """Seconds of some epochs."""
        replay = self.captured()
        batches = self.n_users // self.batch
        seconds = []
        for _ in range(n):
            self.total.zero_()
            started = time.perf_counter()
            order = torch.randperm(self.n_users, device=self.device)
            for start in range(0, batches * self.batch, self.batch):
                self.users.copy_(order[start : start + self.batch])
                replay()
            self.mean_loss = float(self.total) / batches  # waits for the card
            seconds.append(time.perf_counter() - started)
        return seconds
