"""Functions of PyTorch with arguments, shapes and types that are seldom given, for the tests. Needs torch."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from modules import CASES, Case, Function, case


@case((4, 5), (4, 5), exportable=False)
def powers_and_rounding(a: torch.Tensor, b: torch.Tensor) -> Any:
    n = (a * 2).long() + 3
    return [
        a**0, n**0, n**1, n**2, n**3, n**4, n**5, n**6, n**7, n**8, a**1, a**2, a**3, a.abs() ** 0.5, a.abs() ** -0.5,
        a**-1, a**-2, a**4, a**5, a.abs() ** 2.5, n.float() ** 0.5, n**1.5, n**-0.5, n**-1.0, n**0.0, 2**a,
        a.abs() ** b, torch.round(1000 * a, decimals=-2), torch.round(a, decimals=2), torch.round(a, decimals=1),
        torch.round(100 * a), torch.round(60 * a, decimals=-1), torch.round(n), torch.add(a, b, alpha=0.5),
        torch.sub(a, b, alpha=3), torch.rsub(a, b, alpha=2), torch.add(n, n, alpha=2),
        torch.div(7 * a, b, rounding_mode="floor"), torch.div(7 * a, b, rounding_mode="trunc"),
        torch.div(n - 3, 2, rounding_mode="floor"), torch.fmod(7 * a, b), torch.remainder(7 * a, b), (n - 3) % 2,
        torch.fmod(n - 3, 2), (7 * a) // b, a // 0, n / 4, (n > 2) * 3, torch.square(n > 2), torch.square(a),
        n.clamp(0.5, 2.5), n.clamp(max=1.5), n.clamp(1, 3), n.clamp_min(2), n.clamp(min=a), a.clamp(max=b),
        torch.nan_to_num(a / (a > 0), 7.0, 1.0, -1.0), torch.nan_to_num(n), (n > 2) / 2, n.true_divide(n * n + 1),
        torch.floor_divide(n - 3, 2), torch.fmax(n, a), torch.maximum(n, n.flip(1)), 1 - a, 3 - n, 1 / a,
        2 // (n * n + 1), 7 % (n * n + 1),
    ]  # fmt: skip


@case((4, 5), fixed=True, traceable=False)
def norms(x: torch.Tensor) -> Any:
    ones = x.round()
    return [
        torch.linalg.vector_norm(x, math.inf, dim=1), torch.linalg.vector_norm(x, -math.inf, dim=(1, 2)),
        torch.linalg.vector_norm(x, math.inf, dim=-1, keepdim=True), torch.linalg.vector_norm(x, -math.inf, dim=2),
        torch.linalg.vector_norm(ones, 0, dim=1), torch.linalg.vector_norm(ones, 0, dim=2, keepdim=True),
        torch.linalg.vector_norm(x, 1, dim=2), torch.linalg.vector_norm(x, 2.5, dim=2), torch.linalg.vector_norm(x),
        torch.linalg.vector_norm(x, 3, dim=1, keepdim=True), torch.linalg.vector_norm(x, 0.5), x[0, 0, 0].norm(),
        torch.linalg.vector_norm(x[0, 0, 0], 3), x.norm(), x.norm(p=math.inf, dim=2), x.norm(p=0, dim=1),
        torch.linalg.vector_norm(ones.long().float(), 2, dim=1, dtype=torch.float64), x.norm(1, 1, True),
        torch.frobenius_norm(x, 1), torch.frobenius_norm(x, (1, 2), True), x.norm("fro", (0, 2)),
        x.norm("fro", 2, True), torch.dist(x, 2 * x + 1, 3), torch.dist(x, x + 1, math.inf), torch.dist(ones, x, 0),
        F.pairwise_distance(x, x.flip(1)), F.pairwise_distance(x, x.flip(1), 1.0, 0.5, True),
        torch.cdist(x, x[:, :2], 3), torch.cdist(x, x[:, :2], math.inf), torch.cdist(x, x[:, :2], 0),
        F.normalize(x, p=1, dim=2), F.normalize(x, p=3, dim=1, eps=2.0), F.cosine_similarity(x, x.flip(2), 2, 2.0),
        torch.linalg.norm(x, 1, 1), torch.linalg.norm(x, math.inf, 2, True), torch.linalg.norm(x[:, 0], 3, 1),
        torch.linalg.norm(x, "fro", (1, 2)), torch.linalg.norm(x, 1, (1, 2)), torch.linalg.norm(x, -1, (1, 2), True),
        torch.linalg.norm(x, math.inf, (2, 1)), torch.linalg.norm(x, -math.inf, (1, 2)), torch.linalg.norm(x[0], 1),
        torch.linalg.matrix_norm(x), torch.linalg.matrix_norm(x, 1, keepdim=True), torch.linalg.matrix_norm(x, -1),
        torch.linalg.matrix_norm(x, math.inf, (1, 2)), torch.linalg.matrix_norm(x, -math.inf, (2, 1)),
        torch.linalg.matrix_norm(ones, 1, dtype=torch.float64),
    ]  # fmt: skip


@case((4, 3))
def indices_of_extremes(x: torch.Tensor) -> Any:
    flags, whole = x > 0, (2 * x).round()
    number = x[0, 0, 0]
    return [
        x.argmax(), x.argmin(), x.argmax(keepdim=True), x.argmin(None, True), flags.int().argmax(1), *flags.max(1),
        *flags.min(2, True), flags.amax((1, 2)), flags.sum(), flags.prod(1), flags.float().mean(1), whole.argmax(2),
        whole.argmin(1, keepdim=True), number.argmax(), number.argmin(), number.max(0).indices, number.max(0).values,
        number.sum(), number.mean(), number.prod(), number.amax(), number.any(), number.all(), number.sum(0),
        number.sort().values, number.sort().indices, number.topk(1).values, number.cumsum(0), number.cumprod(0),
        number.logsumexp(0), number.softmax(0), number.log_softmax(0), number.median(), number.squeeze(),
        number.transpose(0, -1), number.t(), number.flatten(), number.reshape(-1), number.T, number.unsqueeze(0),
        number.expand(3), number.repeat(2), number.count_nonzero(), flags.sort(1).values,
        flags.long().sort(2, descending=True).values, x.median(), whole.long().median(1).values,
        whole.long().median(), whole.long().nanmedian(2).values, x.nanmedian(), x.nanmedian(1, True).values,
        x.kthvalue(3, 1).values, x.kthvalue(2, 1, True).indices, x.median(1, True).values, x.median(2, True).indices,
        x.topk(2, 1, False).indices, x.topk(3).values, x.argsort(2, True), x.argsort(1), x.sort(1, True).values,
        torch.searchsorted(torch.tensor([-1.0, 0.0, 1.0]), whole, right=True),
        torch.searchsorted(torch.tensor([-1.0, 0.0, 1.0]), whole, side="left", out_int32=True),
        torch.searchsorted(torch.tensor([-1.0, 0.0, 1.0]), whole, side="right"),
        torch.bucketize(whole, torch.tensor([-1.0, 0.0, 1.0]), right=True),
        torch.bucketize(whole, torch.tensor([-1.0, 0.0, 1.0]), out_int32=True), torch.histc(x, 4),
        torch.histc(x, 3, -1, 1), torch.histc(x * 0, 2), torch.histc(x, 5, 2, 2),
        x.quantile(torch.tensor([0.2, 0.7]), 1), x.quantile(0.3, 2, True, interpolation="lower"),
        x.nanquantile(0.5, 1), x.quantile(0.6, 1, interpolation="nearest"),
        x.nanquantile(0.4, 2, True, interpolation="midpoint"), x.var(2, correction=0), x.var((1, 2), correction=2),
        x.std(1, correction=5), x.var(), x.std(), x.var((0, 1)), x.std(0, correction=2),
        *torch.var_mean(x, (0, 2), correction=0), x.nansum(1, True),
    ]  # fmt: skip


def logarithms(x: torch.Tensor) -> torch.Tensor:
    return x.log_softmax(1)


@case((4,), (4,), exportable=False)
def losses_of_all_kinds(x: torch.Tensor, y: torch.Tensor) -> Any:
    p, q, n = x.sigmoid(), y.softmax(1), (y.abs() * 2).floor()
    classes, weight = x.argsort(1)[:, 0], torch.tensor([0.5, 2.0, 1.0, 0.25])
    found = []
    for reduction in ("none", "mean", "sum"):
        found += [
            F.mse_loss(x, y, reduction=reduction), F.l1_loss(x, y, reduction=reduction),
            F.huber_loss(x, y, reduction=reduction, delta=0.7), F.smooth_l1_loss(x, y, reduction=reduction, beta=0.0),
            F.smooth_l1_loss(x, y, reduction=reduction, beta=0.6), F.binary_cross_entropy(p, q, reduction=reduction),
            F.binary_cross_entropy(p, q, weight, reduction=reduction),
            F.binary_cross_entropy_with_logits(x, q, weight, reduction=reduction),
            F.binary_cross_entropy_with_logits(x, q, pos_weight=weight, reduction=reduction),
            F.kl_div(logarithms(x), q, reduction=reduction),
            F.kl_div(logarithms(x), logarithms(y), reduction=reduction, log_target=True),
            F.poisson_nll_loss(x, n, reduction=reduction), F.poisson_nll_loss(x, n, full=True, reduction=reduction),
            F.poisson_nll_loss(p, n, log_input=False, reduction=reduction, eps=0.1),
            F.nll_loss(logarithms(x), classes, reduction=reduction),
            F.nll_loss(logarithms(x), classes, weight, reduction=reduction, ignore_index=1),
            F.cross_entropy(x, classes, reduction=reduction), F.cross_entropy(x, q, weight, reduction=reduction),
            F.cross_entropy(x, q, reduction=reduction, label_smoothing=0.2),
            F.cross_entropy(x, classes, weight, reduction=reduction, label_smoothing=0.2, ignore_index=2),
            F.cross_entropy(x, classes, reduction=reduction, label_smoothing=0.1),
            F.margin_ranking_loss(x, y, n - 1, margin=0.3, reduction=reduction),
            F.hinge_embedding_loss(x, 2.0 * (y > 0) - 1, margin=0.7, reduction=reduction),
            F.cosine_embedding_loss(x, y, 2 * (y[:, 0] > 0).long() - 1, margin=0.1, reduction=reduction),
            F.soft_margin_loss(x, 2.0 * (y > 0) - 1, reduction=reduction),
            F.triplet_margin_loss(x, y, x.flip(1), margin=0.5, swap=True, reduction=reduction),
            F.triplet_margin_loss(x, y, x.flip(1), p=1, eps=0.1, reduction=reduction),
            F.multi_margin_loss(x, classes, reduction=reduction),
            F.multi_margin_loss(x, classes, 2, 0.4, weight, reduction=reduction),
        ]  # fmt: skip
    return found


@case((3, 4), fixed=True)
def losses_without_a_batch(x: torch.Tensor) -> Any:
    row, image = x[0, 0], x.reshape(2, 3, 2, 4)
    return [
        F.cross_entropy(row, torch.tensor(2)), F.nll_loss(row, torch.tensor(1)),
        F.cross_entropy(image, torch.tensor([[0, 2, 1, 1], [2, 2, 0, 1]]).expand(2, 2, 4), label_smoothing=0.3),
        F.cross_entropy(image, image.softmax(1), torch.tensor([0.5, 2.0, 1.0])),
        F.multi_margin_loss(row, torch.tensor(3)),
    ]  # fmt: skip


@case((4, 6), fixed=True)
def shapes_of_all_kinds(x: torch.Tensor) -> Any:
    number, row = x[0, 0, 0], x[0, 0]
    return [
        x.ravel(), row.ravel(), x.flatten(), x.flatten(-2), x.unflatten(2, (2, 3)), x.unflatten(-1, (-1, 2)),
        x.unsqueeze(-1), x.unsqueeze(1), x[:1].squeeze(), x[:1].squeeze(0), x[:1, :, :1].squeeze((0, 2)),
        x.squeeze(1), x[:1].squeeze(-3), x.expand(2, -1, -1, 6), row.expand(3, 6),
        x.expand_as(torch.zeros(2, 4, 4, 6)), x.mT, row.t(), x[0].t(), x[0].T, x.transpose(0, -1), x.swapaxes(0, 1),
        x.swapdims(1, -1), x.movedim((0, 1), (2, 0)), x.moveaxis(-1, 0), x.permute(2, -3, 1), x.repeat(2, 1, 1),
        x.repeat(2, 1, 3, 1), x.repeat(1, 1, 1), x.tile((2,)), x.tile((2, 1, 1, 2)), x.repeat_interleave(2),
        x.repeat_interleave(3, 1), x.repeat_interleave(2, -1), torch.repeat_interleave(x, torch.tensor([3]), dim=1),
        torch.repeat_interleave(row, torch.tensor([1, 0, 2, 1, 1, 0])),
        torch.repeat_interleave(x, torch.tensor([1, 0, 2, 3]), dim=1), x.roll(5), x.roll(-2, 1),
        x.roll((1, 2), (-1, 0)), x.flip(()), x.flip(-1), x.fliplr(), x.flipud(), x.rot90(2, (1, 2)),
        x.rot90(3, (0, 1)), x.rot90(-1, (2, 1)), torch.cat([x]), torch.cat([torch.zeros(0), row]),
        torch.stack([number, number]), torch.stack([row, row], 1), torch.cat([x, x.double()], 1),
        torch.cat([x.long(), x], -1), torch.cartesian_prod(row), torch.hstack([number, row]),
        torch.vstack([row, row]), torch.dstack([row, row]), torch.dstack([x[0], x[1]]),
        torch.dstack([number, number]), torch.atleast_1d(number), torch.atleast_2d(number), torch.atleast_3d(number),
        torch.atleast_3d(row), torch.atleast_3d(x[0]), torch.atleast_2d(row), torch.column_stack([number, number]),
        torch.atleast_2d(x), *torch.meshgrid(row, row[:2], row[:3], indexing="ij"),
        *torch.meshgrid(row, indexing="xy"), *torch.meshgrid(row, row[:2], row[:3], indexing="xy"),
        torch.block_diag(row, x[0], number), F.pixel_shuffle(x.reshape(1, 4, 4, 6), 2),
        F.pixel_shuffle(x.reshape(2, 4, 2, 6), 1), F.pixel_unshuffle(x, 2),
        F.pixel_unshuffle(x.reshape(2, 2, 4, 6), 2), F.channel_shuffle(x.reshape(2, 8, 6), 4),
        F.pixel_shuffle(x.repeat(1, 1, 1), 1), F.pad(x, (1, 0)), F.pad(x, (0, 0, 2, 1), value=3.0),
        F.pad(x, (0, 1, 1, 0, 2, 0)), F.pad(x, (1, 2), "reflect"), F.pad(x, (0, 2), "replicate"),
        F.pad(x, (3, 0), "circular"), F.pad(x, (-1, 2, 0, -1)),
        F.pad(x.reshape(2, 2, 4, 6), (1, 0, 0, 2), "replicate"), F.pad(x.long(), (1, 1), value=7),
    ]  # fmt: skip


@case((4, 6), fixed=True, traceable=False)
def slices_of_all_kinds(x: torch.Tensor) -> Any:
    changed = [x.clone() for _ in range(14)]
    changed[0].swapaxes(0, 1)[1] = 2
    changed[1].mT[:, 2] = 3
    changed[2][0].t()[1] = 4
    changed[3][0].T[-1] = 5
    changed[4][:, -1] = 6
    changed[5][-2] = 7
    changed[6][:, -3:-1] = 8
    changed[7][:, 1::2, 2::3] = 9
    changed[8].narrow(1, -2, 1).mul_(3)
    changed[9].unsqueeze(2)[:, 1] = 4
    changed[10][1:].squeeze(0)[:, 2] = 5
    changed[11].detach()[1] = 0
    changed[12].permute(1, 2, 0)[:, -1] = 3
    changed[13].unbind(-1)[2].add_(1)
    return [
        *changed, *x.split(6, 2), *x.split(4, -1), *x.split([1, 2, 1], 1), *x.chunk(1), *x.chunk(5, 2),
        *x.chunk(3, -1), *x.tensor_split(4, 2), *x.tensor_split((1, 4), 2), *x.tensor_split(3), *torch.hsplit(x, 2),
        *torch.vsplit(x, [1]), *torch.dsplit(x, 3), *torch.hsplit(x[0, 0], 3), *torch.hsplit(x[0, 0], [2, 5]),
        *torch.vsplit(x[0], 2), *x.unbind(), *x.unbind(-2), x.narrow(2, -4, 2), x.narrow(0, 1, 3), x.narrow(1, 0, 4),
        x.select(1, -2), x.select(-1, 5), x[:, 2:], x[:, :-1], x[..., -2:], x[:, 5:], x[:, :99], x[:, 3:1],
        x[..., 1:5:2], x[..., ::7], x[:, 1:2], x.diagonal(), x.diagonal(1), x.diagonal(-2, 1, 2),
        x.diagonal(2, -1, 0), x.unfold(2, 2, 1), x.unfold(1, 3, 2), x.unfold(-1, 6, 1), x.unfold(0, 1, 2),
        torch.select_scatter(x, x[0] * 2, 0, 1), torch.select_scatter(x, x[:, 0], 1, -2),
        torch.slice_scatter(x, x * 2), torch.slice_scatter(x, x[1:] * 2, 0, 1),
        torch.slice_scatter(x, x[:, :1], 1, -1), torch.slice_scatter(x, x[..., :2], 2, -5, 6, 3),
        torch.slice_scatter(x, x * 3, 2), torch.slice_scatter(x, x * 0, 1, -9),
        torch.slice_scatter(x, x[:, :2], 1, 2, 99),
    ]  # fmt: skip


@case((4, 6), fixed=True, traceable=False)
def picks_of_all_kinds(x: torch.Tensor) -> Any:
    a, b = torch.tensor([0, 2, 1]), torch.tensor([[1], [-1]])
    rows, flags, picks = torch.tensor([True, False, True, True]), x > 0, x.argsort(2)
    return [
        x[a], x[:, a], x[..., a], x[a, a], x[b, a], x[:, b, a], x[a, :, b], x[a, a, a], x[b, :, a], x[a, 1:3, a],
        x[a][:, b], x[:, rows], x[rows], x[rows][:, :, a], x[:, rows, 1], x[flags], x[flags[:, 0, 0]],
        x[:, None][..., a], x[None, a], x.gather(1, picks[:, :2] % 4), x.gather(0, picks[:2] % 4),
        x.gather(-1, picks[..., :2]), x.gather(2, picks[:2, :3]), torch.take_along_dim(x, picks.reshape(-1)[:5]),
        torch.take_along_dim(x, picks[:1, :1] % 4, 1), torch.take_along_dim(x, picks[:, :, :1], 2),
        torch.take_along_dim(x, picks[:, :, :1] % 4, 0), x.take(b), x.index_select(0, a), x.index_select(-1, a),
        x.index_select(1, torch.tensor(2)), x.masked_select(flags), x.masked_select(rows[:, None]) * 2,
        torch.nonzero(rows), *torch.where(rows), *torch.where(flags), x.argwhere(), torch.nonzero(x[0, 0] > 0),
        F.embedding(b + 1, x[0]), F.embedding(a, x[0], padding_idx=1), F.one_hot(a, 4), torch.where(x > 0, x, 2),
        torch.where(flags, 1, 0), torch.where(flags, x, x.double()), torch.where(rows[:, None], x, -x),
        x.masked_fill(rows[:, None], 3), x.long().masked_fill(flags, -1), torch.isin(a, torch.tensor([1, 5])),
        torch.isin(a, torch.tensor([1, 5]), invert=True), torch.isclose(x, x + 0.1, 0.1, 0.05),
        torch.isclose(x, x.flip(2), rtol=1.0), torch.isclose(x / 0 * 0, x / 0 * 0, equal_nan=True),
        torch.logical_not(a), rows == rows.flip(0), rows > rows.flip(0), rows <= rows.flip(0), rows != rows.flip(0),
        rows ^ rows.flip(0), a ^ 3, ~a, ~rows, a & 1, a | 4, a << 2, b >> 1, torch.logical_xor(a, a.flip(0)),
        torch.logical_or(x, a[0]), 1 << a,
    ]  # fmt: skip


@case((4, 6), fixed=True)
def writes_of_all_kinds(x: torch.Tensor) -> Any:
    a, rows, flags, picks = torch.tensor([2, 0]), torch.tensor([True, False, True, True]), x > 0, x.argsort(2)
    n, zero, number = (2 * x).long(), torch.zeros_like(x), x[0, 0, 0]
    changed = [x.clone() for _ in range(13)]
    changed[0][flags] = 7
    changed[1][:, rows] = 3
    changed[2][rows] = 2.5
    changed[3][a] = x[:2] * 2
    changed[4][:, a] = 1
    changed[5][..., a] = x[..., :2] * 3
    changed[6][a, a] = 4
    changed[7][:, a, a] = x[:, 0, :2] * 5
    changed[8].index_put_((a,), torch.tensor(1.0), accumulate=True)
    changed[9].index_put_((torch.tensor([1, 1]),), x[:2], accumulate=True)
    changed[10].index_put_((flags,), torch.tensor(2.0), accumulate=True)
    changed[11][rows, 1] = 6
    changed[12][flags] = x[flags] * 2
    return [
        *changed, zero.scatter(2, picks[..., :2], x), zero.scatter(0, picks[:2] % 4, x),
        zero.scatter(1, picks % 4, 1.5), zero.scatter(2, picks[:3, :2, :1], x),
        x.scatter(1, picks % 4, x, reduce="add"), n.scatter_add(2, picks, n),
        x.scatter(2, picks, 2.0, reduce="multiply"), number.scatter(0, torch.tensor(0), torch.tensor(5.0)),
        number.scatter_add(0, torch.tensor(0), torch.tensor(5.0)), x.scatter_reduce(1, picks % 3, x, "sum"),
        x.scatter_reduce(1, picks % 3, x, "sum", include_self=False), x.scatter_reduce(1, picks % 3, x, "prod"),
        x.scatter_reduce(1, picks % 3, x, "prod", include_self=False), x.scatter_reduce(1, picks % 3, x, "mean"),
        x.scatter_reduce(1, picks % 3, x, "mean", include_self=False), x.scatter_reduce(1, picks % 3, x, "amin"),
        x.scatter_reduce(1, picks % 3, x, "amin", include_self=False),
        n.scatter_reduce(1, picks % 3, n, "amax", include_self=False), n.scatter_reduce(1, picks % 3, n, "amin"),
        n.scatter_reduce(2, picks[..., :3] % 2, n, "amin", include_self=False),
        n.scatter_reduce(2, picks % 2, n, "prod"), x.index_add(1, a, x[:, :2], alpha=0.5),
        x.index_add(-1, a, x[..., :2]), n.index_add(0, a, n[:2], alpha=2), x.index_copy(0, a, x[:2] * 2),
        x.index_fill(2, a, 1.5), x.index_fill(-3, a, torch.tensor(2.0)), n.index_fill(1, a, 2),
        torch.index_reduce(x, 0, a, x[:2], "amin", include_self=False), torch.index_reduce(x, 0, a, x[:2], "mean"),
        x.masked_scatter(rows[:, None], x.flip(0)), x[0].masked_scatter(flags, x.flip(0)),
    ]  # fmt: skip


def images(batch: int) -> tuple[torch.Tensor, ...]:
    return torch.randn(batch, 2, 3 + batch, 4), torch.randn(batch, 3 + batch, 3)


def open_sizes(image: torch.Tensor, x: torch.Tensor) -> Any:
    """Functions of a size that is known when the model runs."""
    n = x.shape[1]
    sampled = [
        F.grid_sample(image, x[:, :, None, :2], mode, padding, corners)
        for mode in ("bilinear", "nearest")
        for padding in ("zeros", "border", "reflection")
        for corners in (False, True)
    ]
    return [
        torch.linspace(0, 1, n) + x[..., 0], torch.linspace(-1, 2.5, n, dtype=torch.float64) * x[..., 1],
        torch.eye(n) @ x, torch.eye(n, 3) * x, torch.eye(3, n) @ x, x.repeat_interleave(n, 2), x[:, n - 1],
        x.select(1, n - 2), x[:, 1 - n :], x.tril(), x.triu(-1), x.var(1), x.std((0, 1)), torch.arange(n) + x[..., 0],
        x.mean(1), torch.arange(1, n + 1) * x[..., 0], torch.arange(0, n, 2), torch.full((n,), 2.5) + x[..., 0],
        x.new_zeros(n, 3) + x, F.adaptive_max_pool1d(x.mT, 2), F.adaptive_avg_pool1d(x.mT, 3),
        F.adaptive_avg_pool2d(image, (n, 2)), x.view(-1, n * 3), x.flatten(1), x.unflatten(0, (-1, 1)), x.roll(1, 1),
        x.flip(1), F.pad(x, (0, 0, 1, 2), mode="replicate"), x.repeat(1, 2, 1), x.expand(2, -1, n, 3),
        x.gather(1, torch.zeros_like(x, dtype=torch.int64)), x.cumsum(1), x.sort(1).values, x.median(1).values,
        x.narrow(1, 1, n - 2), x.movedim(1, 0), x.numel() + x, *torch.broadcast_tensors(x, x[:, :1]),
        x.kthvalue(2, 1).values, F.interpolate(image, scale_factor=2.0, mode="bilinear"),
        F.interpolate(image, (n + 1, 3)), x.cumprod(1), x.diff(dim=1), *sampled,
    ]  # fmt: skip


CASES["open_sizes"] = Case(
    lambda: Function(open_sizes), images, shapes=(("batch", 2, "n", 4), ("batch", "n", 3)), exportable=False
)
"""torch.export fixes the size of linspace and the parts of chunk."""
