"""Functions of PyTorch that are seldom used, for the tests. Needs torch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from modules import case
from torch import nn


@case((4, 5), (4, 5))
def seldom_elementwise(a: torch.Tensor, b: torch.Tensor) -> Any:
    gap = torch.where(a > 0.5, torch.nan, a)
    return [
        F.relu6(3 * a), torch.fmax(gap, b), torch.fmin(gap, b), torch.clamp_max(a, 0.2), torch.clamp_max(a, b),
        torch.clamp_min(a, b), torch.signbit(a), torch.heaviside(a.round(), b), torch.positive(a),
        torch.heaviside(torch.zeros_like(a), b), torch.float_power(a.abs(), 1.5), torch.special.expit(a),
        *torch.where(a > 0), torch.nansum(gap, 1), torch.nanmean(gap, 2), torch.nansum(gap), gap.nanmean(),
    ]  # fmt: skip


@case((3, 4))
def seldom_reductions(x: torch.Tensor) -> Any:
    return [
        *torch.std_mean(x, 1), *torch.std_mean(x, (1, 2), correction=0, keepdim=True), *torch.aminmax(x, dim=1),
        *torch.aminmax(x, dim=-1, keepdim=True), *torch.aminmax(x), torch.norm(x, dim=(1, 2)), torch.dist(x, 2 * x + 1),
        torch.dist(x, x.flip(1), 1), torch.median(x), torch.trace(x[0]), x[:, :, 0].msort(), torch.var_mean(x, 2)[0],
        torch.norm(x, "fro", (1, 2)), x.mean((0, 1)), x.logsumexp((1, 2)), torch.prod(x), x.all(), x.any(2),
    ]  # fmt: skip


@case((3, 4), open_batch=False)
def joins(x: torch.Tensor) -> Any:
    a, b = x[:, 0], x[:, 1]
    return [
        torch.hstack([a, b]), torch.hstack([a[0], b[0]]), torch.vstack([a, b]), torch.vstack([a[0], b[0]]),
        torch.dstack([a, b]), torch.dstack([a[0], b[0]]), torch.column_stack([a[0], b]) if a.shape[0] == 4 else a,
        torch.column_stack([a[0], b[0]]), *torch.atleast_1d(a[0, 0], a), *torch.atleast_2d(a[0], a),
        *torch.atleast_3d(a[0], a, x), torch.cat([a, b], -1), torch.stack([a, b], -1),
        *torch.broadcast_tensors(a, b[:1]),
        *torch.meshgrid(a[0], b[0, :2], indexing="ij"), *torch.meshgrid(a[0], b[0, :2], indexing="xy"),
        torch.block_diag(a, b[:2], a[0]), torch.cartesian_prod(a[0], b[0, :3]),
    ]  # fmt: skip


@case((4, 4), open_batch=False)
def seldom_matrices(x: torch.Tensor) -> Any:
    upper = torch.eye(4) * 2 + torch.arange(16.0).reshape(4, 4).triu(1) * 0.1
    return [
        x.adjoint(), torch.linalg.diagonal(x), torch.linalg.diagonal(x, offset=1), torch.diag_embed(x[:, 0], -1),
        torch.diagflat(x[0, :2, 0], 1), x[:, torch.triu_indices(4, 4, 1)[0], torch.triu_indices(4, 4, 1)[1]],
        x[:, torch.tril_indices(4, 3, -1)[0], torch.tril_indices(4, 3, -1)[1]], torch.kron(torch.eye(2), x[:, :2, 0]),
        torch.inner(x, torch.arange(4.0)), torch.inner(x[:, 0], torch.ones(3, 4)), torch.addmv(x[0, 0], x[0], x[0, 1]),
        torch.addmv(x[0, 0], x[0], x[0, 1], beta=0.5, alpha=2), torch.addbmm(torch.ones(4, 4), x, x, beta=0.5, alpha=3),
        torch.tensordot(x, torch.arange(12.0).reshape(4, 3), 1),
        torch.tensordot(x, torch.arange(24.0).reshape(4, 2, 3), ([1], [0])),
        torch.linalg.solve_triangular(upper, x, upper=True), torch.triangular_solve(x, upper).solution,
        torch.addr(torch.ones(4, 4), x[0, 0], x[0, 1], beta=2, alpha=0.5), torch.outer(x[0, 0], x[0, 1]),
        torch.vdot(x[0, 0], x[0, 1]), torch.chain_matmul(x[0], x[0], x[0]), torch.linalg.multi_dot([x[0], x[0], x[0]]),
    ]  # fmt: skip


@case((3, 5), open_batch=False)
def parts(x: torch.Tensor) -> Any:
    return [
        *x.chunk(4, 1), *x.chunk(2, 2), *x[:, 0].chunk(7, 1), *torch.hsplit(x, 3), *torch.dsplit(x, [1, 4]),
        torch.slice_scatter(x, torch.ones(4, 2, 5), 1, 1, 3), torch.slice_scatter(x, torch.ones(4, 3, 2), 2, 0, 4, 2),
        torch.select_scatter(x, torch.ones(4, 5), 1, -1),
        torch.take(x, torch.tensor([0, 7, -1])), x.view_as(x), x[:, 0].reshape_as(x[:, 1]), torch.ravel(x),
        torch.broadcast_to(x[:, :1], (4, 6, 5)), *torch.nonzero(x > 0, as_tuple=True),
        torch.index_reduce(x, 1, torch.tensor([0, 2, 0]), x.flip(1), "amax"),
        torch.index_reduce(x, 1, torch.tensor([0, 2]), x[:, :2], "mean", include_self=False),
        torch.index_reduce(x, 2, torch.tensor([4, 1]), x[..., :2], "prod"), x.masked_scatter(x > 0, x.flip(0)),
    ]  # fmt: skip


@case((2, 6), open_batch=False)
def borders(x: torch.Tensor) -> Any:
    image = x.reshape(4, 1, 3, 4)
    volume = x.reshape(4, 1, 2, 3, 2)
    return [
        nn.ReflectionPad1d((2, 1))(x), nn.ReflectionPad2d((1, 2, 0, 1))(image), nn.ReflectionPad3d(1)(volume),
        nn.ReplicationPad1d((2, 3))(x), nn.ReplicationPad2d((1, 2, 0, 3))(image), nn.ReplicationPad3d(2)(volume),
        nn.ConstantPad1d((1, 0), 2.5)(x), nn.CircularPad1d((2, 1))(x), nn.CircularPad2d((1, 2, 0, 1))(image),
        nn.ZeroPad2d((1, -1, 0, 2))(image),
    ]  # fmt: skip


@case((4, 6), open_batch=False)
def changed_views(x: torch.Tensor) -> Any:
    a, b, c, d, e = (x.clone() for _ in range(5))
    a.transpose(1, 2).mul_(2)[:, 0] = 1
    b.permute(2, 0, 1)[1] = 3
    c.narrow(1, 1, 2).add_(1)
    c[:, :2, 1:4:2] = 5
    c.unbind(1)[3].fill_(7)
    d.split(2, 2)[1].mul_(-1)
    d.chunk(2, 1)[0].add_(0.5)
    d.split([1, 5], 2)[0].zero_()
    e.view(4, 24)[:, 3] = 9
    e.unsqueeze(1)[:, 0, 0] = 4
    e.detach().mul_(2)
    return [a, b, c, d, e]


@case((3, 5))
def diagonals(x: torch.Tensor) -> Any:
    a, b, c = (x.clone() for _ in range(3))
    a.diagonal(dim1=1, dim2=2).fill_(7)
    b.diagonal(1, 1, 2).mul_(2)
    c.diagonal(-1, 2, 1)[:, 0] = torch.nan
    return [
        a, b, c, torch.diagonal_scatter(x, x[:, :, 0] + 1, 2, 1, 2), torch.diagonal_scatter(x, x[:, 0, :1], -2, 1, 2),
        torch.diagonal_scatter(x, x[:, 0, :0], 5, 1, 2), torch.diagonal_scatter(x, x[:, :2, 0], -1, 1, 2),
    ]  # fmt: skip


@case((5, 4), open_batch=False)
def sizes_as_numbers(x: torch.Tensor) -> Any:
    return [
        x * x.size(1), x + len(x.shape), x - x.dim(), torch.range(0, 3) + x, torch.arange(x.shape[2]) * x,
        torch.linspace(-1, 1, x.shape[2]) + x, torch.fft.fftfreq(4) + x, torch.fft.rfftfreq(6) * x, x.numel() + x,
        torch.logspace(0, 1, 4) * x, torch.conv_tbc(x, torch.ones(3, 4, 2), torch.ones(2), 1),
        torch.conv_tbc(x, torch.arange(16.0).reshape(2, 4, 2), torch.zeros(2), 0), x.new_ones(4) + x,
        x.new_full((4,), 3) + x,
    ]  # fmt: skip


@case((6,), (5,))
class cells(nn.Module):  # noqa: N801
    """Recurrent cells, which end at one step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTMCell(6, 5), nn.GRUCell(6, 5)
        self.tanh, self.relu = nn.RNNCell(6, 5), nn.RNNCell(6, 5, nonlinearity="relu", bias=False)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
        return [*self.lstm(x, (h, h * 0.5)), self.gru(x, h), self.tanh(x, h), self.relu(x, h), *self.lstm(x)]


@case((6, 3))
class projected(nn.Module):  # noqa: N801
    """An LSTM whose hidden states are smaller than its cells, given or not."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 5, proj_size=2, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        sequence, (h, c) = self.lstm(x)
        again, states = self.lstm(x.flip(1), (h * 0.5, c))
        return [sequence, h, c, again, *states]


@case((3, 4))
def complex_parts(x: torch.Tensor) -> Any:
    z = torch.complex(x, x.flip(1))
    ones, filled = torch.ones_like(z), torch.full((3, 4), 2 - 1j)
    return [
        torch.view_as_real(part.resolve_conj())
        for part in (z + ones, z * filled, torch.zeros_like(z) - z, z.mT, z.adjoint())
    ]
