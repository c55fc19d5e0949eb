"""Layers of PyTorch with arguments, shapes and types that are seldom given, for the tests. Needs torch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from modules import CASES, Case, Function, case
from torch import nn


class Bags(nn.Module):
    """Bags of rows of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(7, 3))

    def forward(self, x: torch.Tensor, weights: torch.Tensor) -> Any:
        ends = torch.tensor([0, 2, 2, 5, 8])
        found = [F.embedding_bag(x[0], self.table, ends[:-1], mode="sum", per_sample_weights=weights[0])]
        for mode in ("sum", "mean", "max"):
            found += [
                F.embedding_bag(x[0], self.table, ends[:-1], mode=mode), F.embedding_bag(x, self.table, mode=mode),
                F.embedding_bag(x[0], self.table, ends, mode=mode, include_last_offset=True),
                F.embedding_bag(x[0], self.table, ends[:-1], mode=mode, padding_idx=3),
                F.embedding_bag(x, self.table, mode=mode, padding_idx=0),
            ]  # fmt: skip
        return found


CASES["bags"] = Case(
    Bags, lambda batch: (torch.randint(0, 7, (batch, 8)), torch.randn(batch, 8)), open_batch=False
)  # fmt: skip


@case((4, 4), fixed=True, traceable=False)
def matrices_of_all_kinds(x: torch.Tensor) -> Any:
    fixed = torch.eye(4) * 2 + torch.arange(16.0).reshape(4, 4) / 20
    stack, row = torch.stack([fixed, fixed.T + 1]), x[0, 0]
    bias, n = torch.arange(4.0), (2 * x).round().int()
    return [
        F.linear(x, bias), F.linear(x, bias, torch.tensor(2.0)), F.linear(row, fixed, bias),
        F.linear(x[0], fixed, bias), F.linear(x, fixed), F.linear(x[0], fixed), F.linear(row, fixed),
        F.linear(x, fixed, bias), row @ row, x @ row, row @ x[0], torch.addmm(bias, x[0], x[1], beta=0.5, alpha=2),
        torch.addmm(x[2], x[0], x[1]), torch.addmm(n[2], n[0], n[1], beta=3, alpha=2),
        torch.baddbmm(x, x, x.mT, beta=0, alpha=2), torch.baddbmm(x, x, x.mT, beta=0.5), torch.addbmm(x[0], x, x.mT),
        torch.addmv(bias, x[0], row), torch.addr(x[0], row, bias), torch.addr(x[0], row, bias, beta=0.5, alpha=3),
        torch.cross(x[..., :3], x[..., 1:]), torch.linalg.cross(x[:, :3], x[:, 1:], dim=1),
        torch.linalg.vecdot(x, x.flip(0)), torch.cross(x[:, :3], x[:, 1:]), torch.linalg.vecdot(x, x.flip(0), dim=1),
        torch.kron(x[0], torch.tensor([[1.0, 2.0]])), torch.outer(row, bias), torch.einsum("bij,bkj->bik", x, x),
        torch.einsum("bij,jk,bk->bi", x, fixed, x[:, 0]), torch.einsum("ii", x[0]), torch.einsum("...ij->...ji", x),
        torch.tensordot(x, x, ([1, 2], [2, 1])), torch.tensordot(x, x, 0),
        F.bilinear(x[0], x[1], torch.arange(32.0).reshape(2, 4, 4)),
        F.bilinear(x[0], x[1], torch.ones(2, 4, 4), bias[:2]), torch.matrix_power(x, 1), torch.matrix_power(x, 3),
        torch.linalg.matrix_power(x, 2), torch.linalg.solve(fixed, x), torch.linalg.solve(fixed, row),
        torch.linalg.solve(stack, x[:2, 0]), torch.linalg.solve(fixed, x, left=False),
        torch.linalg.solve(stack, x[:2]), torch.linalg.solve_triangular(fixed, x[0], upper=False),
        torch.linalg.solve_triangular(fixed, x[0], upper=True, left=False),
        torch.linalg.solve_triangular(fixed, x[0], upper=True, unitriangular=True),
        torch.triangular_solve(x[0], fixed, transpose=True)[0], torch.triangular_solve(x[0], fixed, upper=False)[0],
        torch.triangular_solve(x[0], fixed, upper=False, transpose=True, unitriangular=True)[0],
        x @ torch.linalg.inv(fixed), x @ torch.matrix_exp(fixed / 40), x * torch.linalg.det(fixed),
        x @ torch.linalg.cholesky(torch.eye(4) + 0.5), x * torch.linalg.slogdet(fixed)[1], x * torch.logdet(fixed),
        x * torch.linalg.svdvals(fixed), x * torch.linalg.eigvalsh(fixed + fixed.T), torch.diag(x[0]),
        torch.diag(x[0], 1), torch.diag(row), torch.diag(row, -2), torch.diag_embed(x[:, 0], 1, 0, 2),
        torch.diagflat(x[0, :2]), torch.diag_embed(x[0], dim1=0, dim2=1), x.tril(), x.tril(-1), x.triu(), x.triu(-2),
        x.triu(3), torch.trace(x[1]), torch.tril_indices(4, 3, 1), torch.triu_indices(3, 4, -1),
        torch.tril_indices(2, 2, dtype=torch.int32) + n[0, 0, 0],
    ]  # fmt: skip


@case((4,), traceable=False)
def numbers_of_all_kinds(x: torch.Tensor) -> Any:
    return [
        x + torch.arange(4), x + torch.arange(1, 5), x + torch.arange(1, 9, 2), x * torch.arange(0.5, 2.5, 0.5),
        x + torch.arange(4.0), x + torch.arange(8, 0, -2), x + torch.arange(3.5), x + torch.linspace(0, 3, 4),
        x[:, :1] + torch.linspace(2, 5, 1), x + torch.range(1, 4), x + torch.linspace(0, 1, 4, dtype=torch.float64),
        x + torch.logspace(0, 1, 4, 2), x + torch.range(0, 1.5, 0.5), x @ torch.eye(4, 3), x @ torch.eye(4),
        x * torch.full((4,), 2), x * torch.full((4,), 2.5), x + torch.zeros(4, dtype=torch.int64),
        x + torch.ones(4, dtype=torch.float64), torch.zeros_like(x, dtype=torch.int32), torch.ones_like(x),
        torch.full_like(x, 3), torch.full_like(x, 3.7, dtype=torch.int64), x.new_zeros(2) + x[:, :1],
        x.new_ones(2, dtype=torch.int32) + x[:, :1], x.new_full((2,), 7) + x[:, :1], torch.scalar_tensor(3) + x,
        torch.tensor(2.5) * x, torch.hann_window(4) * x, torch.hann_window(4, periodic=False) * x,
        torch.hamming_window(4) * x, torch.hamming_window(4, False, 0.6, 0.4) * x, torch.blackman_window(4) * x,
        torch.blackman_window(4, False) * x, torch.bartlett_window(4) * x, torch.bartlett_window(4, False) * x,
        torch.kaiser_window(4) * x, torch.kaiser_window(4, False, 5.0) * x, torch.hann_window(1) * x,
        torch.hann_window(1, False) * x, torch.bartlett_window(1) * x, torch.hamming_window(1, False) * x,
        torch.blackman_window(1) * x, torch.hann_window(2) * x[:, :2], torch.hamming_window(2, False) * x[:, :2],
        torch.kaiser_window(1) * x, torch.fft.fftfreq(4, 0.5) * x, torch.fft.rfftfreq(7, 2.0) * x, x.numel() * x,
        x.dim() + x, x.size(-1) * x, x.is_floating_point() * x,
    ]  # fmt: skip


@case((6,))
class activations_with_options(nn.Module):  # noqa: N801
    def __init__(self) -> None:
        super().__init__()
        self.prelu, self.one = nn.PReLU(6, 0.3), nn.PReLU(1, 0.7)

    def forward(self, x: torch.Tensor) -> Any:
        x = 2 * x
        low = torch.where(x > 0, -torch.inf, x)
        return [
            F.softplus(x, 2.0), F.softplus(x, 1.0, 0.5), F.softplus(x, 0.5, 1.0), F.softplus(x.double()),
            F.softplus(x, 3.0, 30.0), F.elu(x, 0.5), F.celu(x, 0.7), F.rrelu(x, 0.1, 0.5), F.leaky_relu(x, 0.3),
            F.hardtanh(x, -0.5, 2.0), F.threshold(x, 0.5, -3.0), F.threshold(x.round().long(), 1, 5),
            F.hardshrink(x, 0.7), F.softshrink(x, 0.3), F.glu(x), F.glu(x.unsqueeze(2), 1),
            F.gelu(x, approximate="tanh"), F.softmax(x, 1, dtype=torch.float64),
            F.log_softmax(x, -1, dtype=torch.float64), F.softmax(x.round().long(), 1, dtype=torch.float32),
            torch.special.softmax(x, 1), torch.special.log_softmax(x, 1), F.dropout(x, 0.5, False),
            F.dropout(x, 0.0, True), F.alpha_dropout(x, 0.3, False), *torch.native_dropout(x, 0.5, False),
            torch._safe_softmax(low, 1), F.selu(x), F.relu6(x), F.prelu(x, torch.tensor([0.2])), self.prelu(x),
            self.one(x), self.prelu(x.unsqueeze(2)), self.prelu(x.reshape(-1, 6, 1, 1).expand(-1, 6, 2, 2)),
            F.logsigmoid(x), F.hardsigmoid(x), F.hardswish(x), F.softsign(x), F.tanhshrink(x), F.softmin(x, 1),
            torch.clamp(x, min=-1), torch.clamp(x, max=0.5), torch.clamp(x, 1, -1),
            x.clamp(torch.tensor(-0.5), torch.tensor(0.5)), torch.sgn(x), x.round().long().sign(), (x > 0).sign(),
            x.frac(),
        ]  # fmt: skip


def heads(batch: int) -> tuple[torch.Tensor, ...]:
    return torch.randn(batch, 6, 3, 4), torch.randn(batch, 2, 5, 4), torch.randn(batch, 2, 5, 3)


def grouped_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
    mask = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    attend = F.scaled_dot_product_attention
    return [
        attend(q, k, v, enable_gqa=True), attend(q, k, v, enable_gqa=True, is_causal=True),
        attend(q[:, :2], k, v, scale=0.3), attend(q[:, :2], k, v, mask.bool()), attend(q[:, :2], k, v, mask * 0.5),
        attend(q[:, 0], k[:, 0], v[:, 0]), attend(q[:, :2], k, v, is_causal=True),
        attend(q[:, :2], k, v, mask.bool()[:1]), attend(q, k, v, mask * 0.5, enable_gqa=True),
    ]  # fmt: skip


CASES["grouped_attention"] = Case(lambda: Function(grouped_attention), heads)


class WithoutBatch(nn.Module):
    """Recurrent networks on one sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTM(3, 4, 2, bidirectional=True), nn.GRU(3, 4, bias=False)
        self.rnn = nn.RNN(3, 4, nonlinearity="relu", batch_first=True)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
        y, (a, b) = self.lstm(x[0])
        z, c = self.gru(x[1], h[:1])
        states = torch.zeros(4, 4)
        again, _ = self.lstm(x[2], (states, states + 1))
        return [y, a, b, z, c, *self.rnn(x[3]), again, *self.rnn(x[0], h[2:3])]


CASES["without_batch"] = Case(
    WithoutBatch,
    lambda batch: (torch.randn(4, 5, 3), torch.randn(4, 4)),
    open_batch=False,
    shapes=((4, 5, 3), (4, 4)),
)


class StatesAsInputs(nn.Module):
    """Recurrent networks whose first states are inputs of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.lstm = nn.GRU(3, 4, batch_first=True), nn.LSTM(3, 4, bidirectional=True, bias=False)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        return [*self.gru(x, h), *(part for y in self.lstm(x.transpose(0, 1), (c, c * 2)) for part in y)]


CASES["states_as_inputs"] = Case(
    StatesAsInputs,
    lambda batch: (torch.randn(batch, 5, 3), torch.randn(1, batch, 4), torch.randn(2, batch, 4)),
    shapes=(("batch", 5, 3), (1, "batch", 4), (2, "batch", 4)),
)


class PackedWithFixedBatch(nn.Module):
    """A recurrent layer on packed sequences, padded by the operator itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(3, 4, batch_first=True)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, state = self.layer(packed)
        pad = torch._VF._pad_packed_sequence  # type: ignore[attr-defined]
        parts = [pad(y.data, y.batch_sizes, first, fill, -1) for first in (True, False) for fill in (0.0, 3.0)]
        return [*(part for pair in parts for part in pair), state, x[0, 0] * packed.batch_sizes[0]]


CASES["packed_with_fixed_batch"] = Case(
    PackedWithFixedBatch,
    lambda batch: (torch.randn(4, 8, 3), torch.tensor([5, 3, 2, 1])),
    open_batch=False,
    shapes=((4, 8, 3), (4,)),
    exportable=False,
)


class Norms(nn.Module):
    """Normalizations with weights left out, and of other ranks."""

    def __init__(self) -> None:
        super().__init__()
        self.instance = nn.InstanceNorm1d(6, affine=True, track_running_stats=True)
        self.group, self.batch = nn.GroupNorm(3, 6), nn.BatchNorm1d(6, affine=False)
        self.linear = torch.nn.utils.weight_norm(nn.Linear(5, 4), dim=0)
        self.columns = torch.nn.utils.weight_norm(nn.Linear(5, 4), dim=1)
        self.whole = torch.nn.utils.weight_norm(nn.Linear(5, 4), dim=None)

    def forward(self, x: torch.Tensor) -> Any:
        scale, shift = torch.arange(5.0), torch.arange(30.0).reshape(6, 5) / 7
        return [
            F.layer_norm(x, (5,)), F.layer_norm(x, (5,), scale), F.layer_norm(x, (5,), bias=scale),
            F.layer_norm(x, (6, 5), shift, shift + 1), F.layer_norm(x, (5,), scale, scale, eps=0.5),
            F.rms_norm(x, (5,)), F.rms_norm(x, (5,), scale, 0.5), F.rms_norm(x, (6, 5), shift),
            F.rms_norm(x * 1e-4, (5,)), F.group_norm(x, 2), F.group_norm(x, 3, torch.arange(6.0)),
            F.group_norm(x, 2, None, torch.arange(6.0), 0.5), F.group_norm(x[:, :, 0], 2), self.group(x),
            self.instance(x), F.instance_norm(x), F.instance_norm(x, weight=torch.arange(6.0), eps=0.5),
            self.batch(x), self.batch(x[:, :, 0]),
            F.batch_norm(x, torch.arange(6.0), torch.arange(6.0) + 1, bias=torch.arange(6.0)),
            F.batch_norm(x, torch.arange(6.0), torch.arange(6.0) + 1, eps=0.5), self.linear(x), self.columns(x),
            self.whole(x), F.local_response_norm(x, 3, 0.1, 0.5, 2.0), F.local_response_norm(x, 2),
        ]  # fmt: skip


CASES["norms_of_all_kinds"] = Case(Norms, lambda batch: (torch.randn(batch, 6, 5),))


@case((2, 7, 6), fixed=True, exportable=False)
def images_of_all_kinds(x: torch.Tensor) -> Any:
    line, volume = x[:, 0], x.reshape(4, 2, 7, 3, 2)
    grid = torch.stack([x[:, 0], x[:, 1]], -1)
    sampled = [
        F.grid_sample(x, 1.5 * grid, mode, padding, corners)
        for mode in ("bilinear", "nearest")
        for padding in ("zeros", "border", "reflection")
        for corners in (False, True)
    ]
    return [
        F.avg_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        F.avg_pool2d(x, 2, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
        F.avg_pool2d(x, 2, divisor_override=3), F.avg_pool2d(x, (3, 2), (2, 1), (1, 0), True, True, 5),
        F.avg_pool1d(line, 3, 2, 1, True), F.avg_pool1d(line, 2), F.avg_pool3d(volume, 2, 1),
        F.avg_pool3d(volume, (3, 2, 2), 2, 1, True), F.avg_pool2d(x[0], 3), F.avg_pool2d(x, 4, 3, 2, True, False),
        F.avg_pool2d(x, 4, 4, 1, True), F.max_pool2d(x, 3, 2, 1, 1, True), F.max_pool2d(x, (3, 2), dilation=(2, 1)),
        F.max_pool2d(x[0], 2), F.max_pool1d(line, 3, 1, 1), F.max_pool3d(volume, 2, 1),
        *F.max_pool2d(x, 2, 2, 0, 2, return_indices=True), *F.max_pool1d(line, 3, 2, 1, return_indices=True),
        *F.max_pool3d(volume, 2, 1, return_indices=True), *F.max_pool2d(x[0], 3, 1, 1, return_indices=True),
        F.lp_pool2d(x, 2, 3), F.lp_pool1d(line.abs(), 3, 2, 1), F.adaptive_avg_pool2d(x, 1),
        F.adaptive_avg_pool2d(x, (3, None)), F.adaptive_avg_pool1d(line, 4), F.adaptive_avg_pool3d(volume, (3, 2, 1)),
        F.adaptive_avg_pool2d(x[0], 2), *F.adaptive_max_pool2d(x, 1, True), *F.adaptive_max_pool2d(x, (3, 4), True),
        *F.adaptive_max_pool1d(line, 4, True), *F.adaptive_max_pool3d(volume, (3, 2, 1), True),
        F.adaptive_max_pool2d(x, (None, 2)), *F.adaptive_max_pool2d(x.round(), (3, 4), True),
        *F.adaptive_max_pool2d(x[0], (1, 3), True), F.unfold(x, 2), F.unfold(x, (3, 2), (1, 2), (1, 0), (2, 1)),
        F.fold(F.unfold(x, 2), (7, 6), 2), F.interpolate(x, (3, 9)), F.interpolate(x, scale_factor=(2, 1.5)),
        F.interpolate(x, scale_factor=(3, 2)), F.interpolate(x, (14, 6)), F.interpolate(line, 4),
        F.interpolate(volume, 5), F.interpolate(volume, scale_factor=2),
        F.interpolate(x, scale_factor=1.5, mode="nearest-exact"), F.interpolate(x, scale_factor=0.4),
        F.interpolate(x, scale_factor=0.4, mode="nearest-exact"), F.interpolate(x, 7, mode="bilinear"),
        F.interpolate(x, 1, mode="bilinear"), F.interpolate(x, scale_factor=1.3, mode="bilinear"),
        F.interpolate(x, scale_factor=1.3, mode="bilinear", recompute_scale_factor=True),
        F.interpolate(x, (1, 8), mode="bilinear", align_corners=True),
        F.interpolate(x, scale_factor=0.7, mode="bicubic"),
        F.interpolate(x, (9, 4), mode="bicubic", align_corners=True),
        F.interpolate(line, 11, mode="linear", align_corners=True),
        F.interpolate(line, scale_factor=0.6, mode="linear"), F.interpolate(volume, (3, 5, 4), mode="trilinear"),
        F.interpolate(x, scale_factor=1.6, mode="bicubic"),
        F.interpolate(volume, scale_factor=1.5, mode="trilinear", align_corners=True),
        F.interpolate(x, (3, 9), mode="bilinear", antialias=True),
        F.interpolate(x, (10, 3), mode="bicubic", antialias=True), F.interpolate(x, (7, 6), mode="bicubic"),
        F.interpolate(x[:, :, :1], (3, 3), mode="bicubic"), *sampled,
        F.grid_sample(x[:, :, :1], 1.5 * grid, padding_mode="reflection", align_corners=True),
        F.grid_sample(volume, torch.stack([x, x.flip(3), x.flip(2)], -1), align_corners=False),
        F.grid_sample(x, torch.where(grid > 1, torch.nan, grid), align_corners=True),
        F.affine_grid(x[:, 0, :2, :3], (4, 2, 3, 5), align_corners=False),
        F.affine_grid(x[:, 0, :2, :3], (4, 2, 1, 5), align_corners=True),
        F.affine_grid(x[:, 0, :3, :4], (4, 1, 2, 3, 2), align_corners=False),
    ]  # fmt: skip


@case((12,), fixed=True, exportable=False)
def spectra_of_all_kinds(x: torch.Tensor) -> Any:
    window = torch.hann_window(4)
    z = torch.stft(x, 4, 2, window=window, return_complex=True)
    scaled = torch.stft(x, 6, 2, 4, window, normalized=True, return_complex=True)
    parts = torch.view_as_real
    return [
        parts(z), parts(torch.stft(x, 4, window=window, return_complex=True)),
        parts(torch.stft(x, 4, 1, window=window, pad_mode="constant", return_complex=True)),
        parts(torch.stft(x, 6, 3, 4, window, center=False, normalized=True, return_complex=True)),
        parts(torch.stft(x[0], 5, 2, window=torch.ones(5), center=False, return_complex=True)),
        *(
            parts(torch.ops.aten.stft.center(x, 4, 2, None, window, True, mode, return_complex=True))
            for mode in ("reflect", "constant")
        ),
        torch.istft(z, 4, 2, window=window), torch.istft(z, 4, 2, window=window, length=10),
        torch.istft(z, 4, 2, window=window, length=15), torch.istft(z[0], 4, 2, window=window),
        torch.istft(scaled, 6, 2, 4, window, normalized=True), torch.fft.irfft(z, 5, 1),
        torch.fft.irfft(z, 4, 1, "forward"), parts(torch.fft.ifft(z, 3, 2, "ortho")), parts(torch.fft.fft2(x)),
        parts(torch.fft.rfft2(x, (3, 5))), parts(torch.fft.fftn(x, (2,), (0,))), torch.fft.irfft2(torch.fft.rfft2(x)),
        torch.fft.ifftshift(x), torch.fft.fftshift(x, 1), torch.fft.ifftshift(x, 0), parts(torch.add(z, z, alpha=2)),
        parts(torch.add(z, z, alpha=0)), *map(parts, z.unbind(1)), *map(parts, z.split(2, 2)),
        parts(torch.cat([z, z * 0 + 1])), parts(torch.cat([z, z.real], 1)), parts(torch.stack([z.imag, z])),
        parts(z.matmul(z.mT)), parts(z.flatten(1)), parts(z.roll(1, 1)), parts(z - z.real), parts(z.imag / (z + 2)),
        parts(z.cumsum(2)), parts(z.masked_fill(z.real > 0, 1 + 2j)), parts(z[:, 1:, ::2]),
        parts(z.expand(4, -1, -1)), parts(torch.where(z.real > 0, z, z * 2)), z.to(torch.complex64).real,
        parts(z.to(torch.complex128)), parts(torch.add(z, x[0, 0], alpha=0.5)),
        parts(torch.sub(z, z.conj(), alpha=3).resolve_conj()), parts(1 - z), parts(z - 2), parts(2 * z), parts(z / 2),
        parts(1 / (z + 3)), parts(z / (z + 2)), parts(z * z), parts(z**2), parts(z.square()), z.abs(), z.angle(),
        parts(torch.full((2,), 1 + 2j) * z[0, 0, 0]), parts(torch.zeros_like(z) + z), parts(torch.ones_like(z) * z),
        z.real, z.imag, parts(z.conj().resolve_conj()), parts(-z), parts(z.sum(1)), parts(z.mean(2)),
        parts(torch.polar(x.abs(), x)), parts(z.exp()),
    ]  # fmt: skip


def odd_spectra(x: torch.Tensor) -> Any:
    z = torch.stft(x, 5, 1, window=torch.ones(5), return_complex=True)
    return [torch.istft(z, 5, 1, window=torch.ones(5)), torch.istft(z, 5, 1, window=torch.ones(5), length=9)]


CASES["odd_spectra"] = Case(lambda: Function(odd_spectra), lambda batch: (torch.randn(batch, 12),), exportable=False)
"""torch.export takes an odd number of frequencies for an even one."""
