"""Modules with branches and loops that depend on their inputs, for torch.export. Needs torch."""

from __future__ import annotations

from typing import Any

import torch
from modules import case
from torch import nn
from torch._higher_order_ops.while_loop import while_loop


@case((6,), traceable=False)
class cond_nested(nn.Module):  # noqa: N801
    """A branch in a branch, with several results, weights, and a tensor from around it."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 6))
        self.linear = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> Any:
        mean = x.mean()

        def positive(y: torch.Tensor) -> Any:
            def large(z: torch.Tensor) -> Any:
                return self.wide(z) + mean, z.sum() > 1, (10 * z).to(torch.int64)

            def small(z: torch.Tensor) -> Any:
                return self.linear(z), z.sum() > 2, z.to(torch.int64) + 1

            return torch.cond(y.mean() > 0.5, large, small, (y,))

        def negative(y: torch.Tensor) -> Any:
            return y - 1, y.sum() > -3, torch.ones_like(y, dtype=torch.int64)

        return torch.cond(x.sum() > 0, positive, negative, (x,))


@case((3,), traceable=False)
def cond_cheap(x: torch.Tensor) -> Any:
    """A branch of which both sides are computed."""
    return torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: y - 1, (x,)), x.relu()


@case((4,), traceable=False)
def cond_of_integers(x: torch.Tensor) -> Any:
    """A condition that is a number instead of a bool."""
    return torch.cond(torch.any(x > 1), lambda y: torch.cumsum(y, 1), lambda y: y.flip(1).clone(), (x,))


@case((3,), traceable=False)
class while_counted(nn.Module):  # noqa: N801
    """A loop with weights whose condition depends on a counter and on a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> Any:
        def goes_on(i: torch.Tensor, y: torch.Tensor) -> Any:
            return (i < 5) & (y.abs().sum() < 30)

        def step(i: torch.Tensor, y: torch.Tensor) -> Any:
            return i + 1, self.linear(y) * 2 + i

        return while_loop(goes_on, step, (torch.tensor(0), x))


@case((3,), traceable=False)
def while_with_branch(x: torch.Tensor) -> Any:
    """A loop that carries a bool, and has a branch in each iteration."""

    def step(i: torch.Tensor, y: torch.Tensor, goes_on: torch.Tensor) -> Any:
        y = torch.cond(y.mean() > 0.5, lambda z: torch.relu(z @ torch.ones(3, 3)), lambda z: z + 0.25, (y,))
        return i + 1, y, y.sum() < 50

    return while_loop(lambda i, y, goes_on: goes_on & (i < 10), step, (torch.tensor(0), x, torch.tensor(True)))


@case((4,), traceable=False)
def while_never(x: torch.Tensor) -> Any:
    """A loop without an iteration."""
    return while_loop(lambda i, y: i > 3, lambda i, y: (i - 1, y * 2), (torch.tensor(0), x))


@case((3,), traceable=False)
def without_gradients(x: torch.Tensor) -> Any:
    """Part of a module in a context, which is a graph of its own."""
    with torch.no_grad():
        y = x * 2
    return y + 1


@case((3,), traceable=False)
def numbers_of_tensors(x: torch.Tensor) -> Any:
    """Numbers of Python that the model computes."""
    largest, total = x.max().item(), x.sum().to(torch.int64).item()
    return x * largest, x + total, x * (largest * 2 + total), x - largest / 3, x > total
