"""Modules with branches and loops that depend on their input, for torch.jit.script. Needs torch."""

from __future__ import annotations

from typing import Dict, Tuple  # noqa: UP035  (torch.jit.script)

import torch
from torch import Tensor, nn

SCRIPTED: dict[str, type[nn.Module]] = {}
"""Modules of one input (batch, 3)."""


def scripted(kind: type[nn.Module]) -> type[nn.Module]:
    """Registers a module."""
    SCRIPTED[kind.__name__] = kind
    return kind


@scripted
class EarlyReturns(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(x)
        if bool(x.sum() > 0) and bool(x.mean() < 2):
            x = x * 2
        elif float(x.mean()) > 3.0:
            x = x - 1
            return x
        if bool((x * x).sum() > 4):
            return y
        return x + y


@scripted
class Chain(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        mean = float(x.mean())
        if mean < -1:
            return x * 1
        elif mean < -0.5:
            return x * 2
        elif mean < 0:
            return x * 3
        elif mean < 0.5:
            return x * 4
        elif not mean < 2:
            return x * 5
        return x * 6


@scripted
class Heavy(nn.Module):
    """Branches of which only one is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Linear(3, 50), nn.Tanh(), nn.Linear(50, 3))
        self.other = nn.Sequential(nn.Linear(3, 60), nn.ReLU(), nn.Linear(60, 3))

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, bool]:  # noqa: UP006
        positive = bool(x.sum() > 0)
        first, second = x, x
        if positive:
            first = self.one(x)
            second = first.sum(1)
        else:
            second = self.other(x)[:, 1]
        return first, second, positive


@scripted
class InPlace(nn.Module):
    """Changes of tensors from before a branch, also through views."""

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        y = x.clone()
        column = y[:, 2]
        if bool(x.sum() > 0):
            y.mul_(2)
        if bool(x.sum() > 3):
            y[:, 0] = 5.0
            column.add_(1.0)
        scale = 1.0
        if bool(x.sum() > 1):
            scale = float(x.abs().sum())
        return y * scale, column


@scripted
class Augmented(nn.Module):
    """Changes in place of variables that may be the input, or the result of no iteration."""

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if bool(x.sum() > 0):
            y = y * 2
        y += 1
        z, count = y, 0
        while bool(z.sum() < 5) and count < 9:
            z = z * 1.5 + 0.5
            count += 1
        z += 2.0
        return torch.relu_(z)


@scripted
class Doubled(nn.Module):
    """A loop that may have no iteration, with a limit."""

    def forward(self, x: Tensor) -> Tuple[Tensor, int]:  # noqa: UP006
        count = 0
        while bool(x.sum() < 100):
            x = x * 2
            count += 1
            if count > 20:
                break
        return x, count


@scripted
class ComputedCount(nn.Module):
    """A number of iterations from the data, with tensors that are changed in place at computed places."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor, int]:  # noqa: UP006
        count = int(x.abs().sum()) % 7
        total, h, columns = torch.zeros_like(x), x, torch.zeros(3, 5)
        for i in range(count):
            h = torch.tanh(self.linear(h))
            total += h
            columns[:, i % 5] = total.sum()
        for i in range(count, 1, -2):
            h = h + i
            if bool(h.sum() > 9):
                return h, total, columns, i
        return h, total, columns, count


@scripted
class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y, count = x.clone(), int(x.abs().sum()) % 4
        for i in range(count):
            for j in range(i + 1):
                y = torch.tanh(self.linear(y)) + j
                if bool(y.sum() > 1):
                    y = y - 1
            k = 0
            while k < i:
                y = y * 1.1
                k += 1
        return y


@scripted
class Recurrent(nn.Module):
    """A loop that carries a tuple and ends when a bool is set."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(3, 3)

    def forward(self, x: Tensor) -> Tuple[Tensor, int]:  # noqa: UP006
        state = (torch.zeros_like(x), torch.zeros_like(x))
        done, count = False, 0
        while not done:
            state = self.cell(x, state)
            count += 1
            done = bool(state[0].abs().sum() > 2.0) or count > 8
        return state[0], count


@scripted
class Rows(nn.Module):
    """A loop over an open axis."""

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(3)
        for row in range(x.size(0)):
            h = torch.tanh(h * 0.5 + x[row])
        return h


@scripted
class ListOfRows(nn.Module):
    """A loop over an open axis that appends to a list, which is compiled for each size."""

    def forward(self, x: Tensor) -> Tensor:
        rows, h = [x.sum(0)], torch.zeros(3)
        for row in range(x.size(0)):
            h = torch.tanh(h * 0.5 + x[row])
            rows.append(h)
        return torch.stack(rows)


@scripted
class OfSize(nn.Module):
    """A branch that depends on an open size."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > 2:
            x = x * 2
        return x


class Part(nn.Module):
    def forward(self, x: Tensor, scale: float) -> Tensor:
        return x * scale if bool(x.sum() > 0) else x - scale


@scripted
class Parts(nn.Module):
    """Branches in modules that are called twice, and in values of a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Part()

    def forward(self, x: Tensor) -> Tensor:
        y = self.part(self.part(x, 2.0), float(x.abs().sum()))
        named: Dict[str, Tensor] = {"a": x, "b": y}  # noqa: UP006
        if bool(y.sum() > 1):
            named = {"a": y, "b": x * 3}
        return named["a"] - named["b"]


@scripted
class Checked(nn.Module):
    """Exceptions, which are left out, in branches that depend on data."""

    def forward(self, x: Tensor) -> Tensor:
        assert bool(x.abs().sum() < 1e9), "too large"
        y = x * 2
        if bool(y.sum() > 1):
            y = y + 1
            if bool(y.sum() > 1e10):
                raise ValueError("too large")
        return y


@scripted
class Numbers(nn.Module):
    """Arithmetic of numbers from the data."""

    def forward(
        self, x: Tensor
    ) -> Tuple[int, int, int, float, float, float, float, bool, bool, bool, float, float, int, float, bool, float, int]:  # noqa: UP006
        n, s, q = int(x.sum()), float(x.abs().sum()), bool(x.sum() > 0)
        m = max(n, 2) * 3 // 4 - n % 5
        return (
            m, -n, abs(n), s / 3, s * n, n / 7, min(s, 2.0), q and n > 1, not q, n == m, s + 1, n - 0.5, int(s),
            float(n), q or s > 3, round(s), int(q),
        )  # fmt: skip


@scripted
class NumbersAndTensors(nn.Module):
    """Types of tensors and of numbers from the data together."""

    def forward(self, x: Tensor) -> list[Tensor]:
        n, s = int(x.sum()), float(x.abs().sum()) + 0.25
        z, w = (x * 10).to(torch.int64), (x * 10).to(torch.int32)
        return [
            x * n, x + s, s - x, x / s, n * z, z + s, w * n, x > s, z > n, torch.where(x > 0, s, x),
            x.masked_fill(x > 0, s), x.clamp(max=s), torch.clamp(x, min=-s), torch.full((3,), s), x.add(x, alpha=s),
            x.sum() * s, z.sum() * n, z.sum() * s, w.sum() + n, x.new_full((2,), s), torch.remainder(z, 3 + abs(n)),
            torch.tensor(n) * x, torch.tensor(s), torch.maximum(x, torch.tensor(s)), x == s,
            torch.div(z, abs(n) + 1, rounding_mode="floor"), z / (abs(n) + 1),
        ]  # fmt: skip
