"""Modules of PyTorch for the tests: one of each kind, with inputs for any batch. Needs torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

Inputs = tuple[torch.Tensor, ...]


class Case(NamedTuple):
    """A module and its inputs."""

    module: Callable[[], nn.Module]
    inputs: Callable[[int], Inputs]
    """The inputs for a batch."""
    open_batch: bool = True
    traceable: bool = True
    shapes: tuple[tuple[int | str, ...], ...] | None = None
    """The shapes of the inputs, with names of open sizes; by default only the first size is open."""
    exportable: bool = True


CASES: dict[str, Case] = {}


def case(
    *shapes: tuple[int, ...], open_batch: bool = True, traceable: bool = True, ints: int = 0, fixed: bool = False,
    exportable: bool = True,
) -> Any:  # fmt: skip
    """Registers a module class or function with inputs of normally distributed numbers, or indices below ``ints``.

    ``fixed``: the batch is 4, also in TorchScript files.
    """

    def inputs(batch: int) -> Inputs:
        if ints:
            return tuple(torch.randint(0, ints, (batch, *shape)) for shape in shapes)
        return tuple(torch.randn(batch, *shape) for shape in shapes)

    def register(thing: Any) -> Any:
        made = thing if isinstance(thing, type) else lambda: Function(thing)
        sizes = tuple((4, *shape) for shape in shapes) if fixed else None
        CASES[thing.__name__] = Case(made, inputs, open_batch and not fixed, traceable, sizes, exportable)
        return thing

    return register


class Function(nn.Module):
    """A module of a function."""

    def __init__(self, function: Callable[..., Any]):
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


def simple(name: str, module: Callable[[], nn.Module], *shapes: tuple[int, ...]) -> None:
    """Registers a module with one output."""
    CASES[name] = Case(module, lambda batch: tuple(torch.randn(batch, *shape) for shape in shapes))


# -- networks ----------------------------------------------------------------------------------------------------------

simple(
    "mlp", lambda: nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 5), nn.Softmax(-1)), (16,)
)
simple("linear_3d", lambda: nn.Linear(6, 4), (5, 6))
simple("bilinear", lambda: Pair(nn.Bilinear(3, 4, 5)), (3,), (4,))
simple(
    "cnn",
    lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, stride=2),
        nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4), nn.LogSoftmax(1),
    ),
    (3, 13, 12),
)  # fmt: skip
simple("conv1d", lambda: nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), (4, 15))
simple("conv1d_same", lambda: nn.Conv1d(4, 6, 4, padding="same"), (4, 9))
simple("conv3d", lambda: nn.Conv3d(2, 3, (3, 2, 3), padding=(1, 0, 1)), (2, 5, 6, 7))
simple("depthwise", lambda: nn.Conv2d(8, 16, 3, groups=8, bias=False), (8, 9, 9))
simple("conv_transpose1d", lambda: nn.ConvTranspose1d(4, 3, 4, stride=2, padding=1), (4, 7))
simple(
    "conv_transpose2d", lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (4, 5, 6)
)
simple("reflection_padding", lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 6, 5))
simple("circular_padding", lambda: nn.Conv1d(2, 3, 3, padding=2, padding_mode="circular"), (2, 6))
simple(
    "paddings",
    lambda: nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.ReplicationPad2d(2), nn.ConstantPad2d(1, 3.5)),
    (2, 3, 4),
)

NORMS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "batch_norm_2d_input": (lambda: nn.BatchNorm1d(7), (7,)),
    "batch_norm_3d": (lambda: nn.BatchNorm3d(3), (3, 2, 3, 4)),
    "layer_norm": (lambda: nn.LayerNorm((4, 5)), (3, 4, 5)),
    "layer_norm_plain": (lambda: nn.LayerNorm(5, elementwise_affine=False), (3, 5)),
    "group_norm": (lambda: nn.GroupNorm(3, 6), (6, 4, 5)),
    "instance_norm": (lambda: nn.InstanceNorm1d(4, affine=True), (4, 9)),
    "rms_norm": (lambda: nn.RMSNorm(6), (3, 6)),
    "local_response_norm": (lambda: nn.LocalResponseNorm(3), (6, 4, 5)),
}
for _name, (_module, _shape) in NORMS.items():
    simple(_name, _module, _shape)

POOLS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "max_pool1d": (lambda: nn.MaxPool1d(3, 2, 1), (2, 11)),
    "max_pool2d_ceil": (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), (2, 8, 7)),
    "max_pool3d": (lambda: nn.MaxPool3d(2), (2, 4, 5, 6)),
    "avg_pool2d": (lambda: nn.AvgPool2d(3, 2, 1), (2, 8, 7)),
    "avg_pool2d_ceil": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), (2, 8, 7)),
    "avg_pool1d_inside": (lambda: nn.AvgPool1d(3, 2, 1, count_include_pad=False), (2, 9)),
    "avg_pool2d_divisor": (lambda: nn.AvgPool2d(2, divisor_override=3), (2, 6, 6)),
    "adaptive_avg_pool2d": (lambda: nn.AdaptiveAvgPool2d((3, 4)), (2, 7, 9)),
    "adaptive_max_pool1d": (lambda: nn.AdaptiveMaxPool1d(4), (2, 10)),
    "lp_pool": (lambda: nn.LPPool2d(2, 3, 2), (2, 7, 7)),
    "unfold": (lambda: nn.Unfold((2, 3), padding=1, stride=2), (3, 6, 7)),
    "pixel_shuffle": (lambda: nn.Sequential(nn.PixelShuffle(2), nn.PixelUnshuffle(4)), (8, 4, 8)),
    "channel_shuffle": (lambda: nn.ChannelShuffle(2), (6, 3, 3)),
}
for _name, (_module, _shape) in POOLS.items():
    simple(_name, _module, _shape)

ACTIVATIONS = [
    nn.ReLU6(), nn.LeakyReLU(0.2), nn.PReLU(5), nn.ELU(0.7), nn.SELU(), nn.CELU(1.5), nn.GELU(), nn.GELU("tanh"),
    nn.SiLU(), nn.Mish(), nn.Sigmoid(), nn.Tanh(), nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(-0.5, 1.5),
    nn.Softplus(), nn.Softplus(2, 1), nn.Softsign(), nn.Tanhshrink(), nn.Softshrink(), nn.Hardshrink(),
    nn.LogSigmoid(), nn.Threshold(0.1, 20), nn.RReLU(), nn.Softmin(1),
]  # fmt: skip


@case((5, 4))
class activations(nn.Module):  # noqa: N801
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ACTIVATIONS)

    def forward(self, x: torch.Tensor) -> Any:
        return [layer(x) for layer in self.layers] + [F.glu(x, 2)]


class Pair(nn.Module):
    """A module of two inputs."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> Any:
        return self.module(a, b)


class Recurrent(nn.Module):
    """A recurrent network whose outputs are all returned."""

    def __init__(self, layer: nn.Module, *, swapped: bool = False):
        super().__init__()
        self.layer = layer
        self.swapped = swapped

    def forward(self, x: torch.Tensor) -> Any:
        y, states = self.layer(x.transpose(0, 1) if self.swapped else x)
        return (y, states) if isinstance(states, torch.Tensor) else (y, *states)


simple("lstm", lambda: Recurrent(nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True)), (6, 4))
simple("gru", lambda: Recurrent(nn.GRU(4, 5, 2, bidirectional=True), swapped=True), (6, 4))
simple("rnn", lambda: Recurrent(nn.RNN(4, 5, nonlinearity="relu", bias=False, batch_first=True)), (6, 4))
simple("lstm_projection", lambda: Recurrent(nn.LSTM(4, 6, 2, proj_size=3, batch_first=True)), (5, 4))


@case((6, 4), (3,), traceable=False)
class lstm_with_states(nn.Module):  # noqa: N801
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(4, 3, batch_first=True)
        self.cell = nn.GRUCell(3, 3)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
        y, (h1, c1) = self.layer(x, (h.unsqueeze(0), torch.tanh(h).unsqueeze(0)))
        return {"y": y, "state": (self.cell(h1[0], h), c1)}


@case((7, 8))
class attention(nn.Module):  # noqa: N801
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        mask = torch.triu(torch.ones(7, 7, dtype=torch.bool), 1)
        return self.attention(x, x * 2, x, attn_mask=mask)


simple(
    "transformer_encoder",
    lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"), 2, enable_nested_tensor=False
    ),
    (5, 8),
)
simple(
    "transformer_norm_first", lambda: nn.TransformerEncoderLayer(8, 4, 12, batch_first=True, norm_first=True), (5, 8)
)


@case((5, 8), (4, 8))
class transformer_decoder(nn.Module):  # noqa: N801
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> Any:
        return self.layer(x, memory)


@case((2, 5, 8))
def sdpa_causal(x: torch.Tensor) -> Any:
    return F.scaled_dot_product_attention(x, x + 1, x, is_causal=True), F.scaled_dot_product_attention(
        x, x, x * 2, attn_mask=torch.ones(5, 5).tril().bool(), scale=0.3
    )


class Block(nn.Module):
    """A residual block."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        y += x
        return self.relu(y)


simple("resnet", lambda: nn.Sequential(nn.Conv2d(3, 4, 1), Block(4), Block(4)), (3, 6, 6))


@case((9, 3), ints=20)
class embedding(nn.Module):  # noqa: N801
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 6, padding_idx=0)

    def forward(self, x: torch.Tensor) -> Any:
        return self.table(x).mean(1)


@case((10,), ints=12)
class embedding_bag(nn.Module):  # noqa: N801
    def __init__(self) -> None:
        super().__init__()
        self.bags = nn.ModuleList(
            nn.EmbeddingBag(12, 4, mode=mode, padding_idx=index)
            for mode in ("sum", "mean", "max")
            for index in (None, 3)
        )

    def forward(self, x: torch.Tensor) -> Any:
        return [bag(x) for bag in self.bags] + [bag(x * 0 + 3) for bag in self.bags]


@case((6, 3))
class edge_conv(nn.Module):  # noqa: N801
    """A convolution on the nearest neighbors, as in ParticleNet."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8))

    def forward(self, x: torch.Tensor) -> Any:
        distance = torch.cdist(x, x)
        index = distance.topk(4, dim=-1, largest=False).indices[:, :, 1:]
        rows = torch.arange(x.shape[0]).view(-1, 1, 1)
        near = x[rows, index]
        edges = torch.cat([x.unsqueeze(2).expand_as(near), near - x.unsqueeze(2)], -1)
        return self.layer(edges).max(2).values


# -- functions ---------------------------------------------------------------------------------------------------------


@case((4, 5), (4, 5))
def arithmetic(a: torch.Tensor, b: torch.Tensor) -> Any:
    return [
        a + 2, 3 - a, a * b, a / b, torch.add(a, b, alpha=0.5), torch.rsub(a, b), a**2, a**3, a.abs() ** 1.7, 2**a,
        a.abs() ** b, a // 0.3, a % 0.7, torch.fmod(a, 0.7), torch.maximum(a, b), torch.minimum(a, b.sum(1, True)),
        torch.atan2(a, b), torch.hypot(a, b), torch.logaddexp(a, b), torch.lerp(a, b, 0.3),
        torch.addcmul(a, a, b, value=2), torch.addcdiv(a, a, b), -a, a.clamp(-0.5, 0.5), a.clamp(min=0.1),
        torch.clamp(a, b - 1, b + 1), torch.div(a, b, rounding_mode="trunc"), torch.div(a, b, rounding_mode="floor"),
        torch.copysign(a, b),
    ]  # fmt: skip


@case((4, 5))
def functions(x: torch.Tensor) -> Any:
    p = x.abs() + 0.1
    u = torch.tanh(x) * 0.9
    return [
        x.exp(), p.log(), p.log2(), p.log10(), x.expm1(), p.log1p(), p.sqrt(), p.rsqrt(), p.reciprocal(), x.sin(),
        x.cos(), x.tan(), u.asin(), u.acos(), x.atan(), x.sinh(), x.cosh(), x.asinh(), (p + 1).acosh(), u.atanh(),
        x.erf(), x.erfc(), u.erfinv(), x.floor(), x.ceil(), x.round(), x.trunc(), x.frac(), x.sign(), x.square(),
        torch.exp2(x), torch.sinc(x), torch.logit(u * 0.5 + 0.5), torch.nan_to_num(p.log() / 0),
        torch.round(x, decimals=2), torch.xlogy(p, p), torch.deg2rad(x), torch.special.i0(u), F.normalize(x, dim=1),
        torch.sgn(x),
    ]  # fmt: skip


@case((4, 5), (4, 5))
def comparison(a: torch.Tensor, b: torch.Tensor) -> Any:
    c, d = a > 0, b < 0.2
    return [
        a == b, a != 0, a < b, a <= b, a >= 0.5, c & d, c | d, c ^ d, ~c, torch.logical_and(a, b),
        torch.where(c, a, b), torch.where(c, 1.0, b), a.masked_fill(d, -5.0), c.any(1), c.all(1), c.sum(1),
        torch.isnan(a / 0 * 0), torch.isinf(a / 0), torch.isfinite(a), torch.isclose(a, a + 1e-9), c * a, c + d,
        c.float() - d.long(), a * c + 1,
    ]  # fmt: skip


@case((3, 4, 5))
def reductions(x: torch.Tensor) -> Any:
    return [
        x.sum(), x.sum(1), x.sum((1, 2), keepdim=True), x.mean(-1), x.prod(1), x.amax((1, 3)), x.amin(2),
        x.max(2).values, x.max(2).indices, x.min(1, keepdim=True).values, x.argmax(1), x.argmin(-1, keepdim=True),
        x.var(1), x.std((1, 2)), x.var(2, unbiased=False), torch.var_mean(x, 1)[1], x.norm(dim=1),
        x.norm(p=1, dim=(1, 2)), x.logsumexp(1), torch.linalg.vector_norm(x, 3, dim=2), x.cumsum(1), x.cumprod(2),
        x.count_nonzero(1), x.median(2).values, x.median(2).indices, x.kthvalue(2, 1).values, x.diff(dim=2),
        (x > 0).sum((1, 2, 3)), x.softmax(1), x.log_softmax(2), torch.cosine_similarity(x, x * 2 + 1, 1),
        torch.linalg.norm(x, dim=2), x.quantile(0.3, dim=1), x.var(0), x.std(0, unbiased=False),
    ]  # fmt: skip


@case((3, 4, 6))
def shapes(x: torch.Tensor) -> Any:
    a, b = x.chunk(2, 3)
    return [
        x.view(x.shape[0], -1), x.reshape(-1, 6), x.flatten(1), x.flatten(2, 3), x.unflatten(3, (2, -1)),
        x.transpose(1, 2), x.permute(0, 3, 1, 2), x.unsqueeze(1), x[:, :1].squeeze(1), x.expand(-1, 3, 4, 6),
        x.movedim(1, 3), x[:, 1], x[:, -1, 1:], x[..., ::2], x.narrow(2, 1, 2), torch.cat([a, b * 2], 1),
        torch.stack([a, b], 2), *x.split([2, 4], 3), *x.split(4, 3), x.repeat(1, 2, 1, 3), x.repeat_interleave(2, 2),
        x.flip([1, 3]), x.roll((1, -2), (1, 3)), x.tril(), x.triu(1), x.diagonal(0, 2, 3), F.pad(x, (1, 2, 0, 1)),
        F.pad(x, (-1, 0)), x.unbind(1)[1], x.rot90(1, (2, 3)), x.unfold(3, 3, 2),
        x.mT, torch.tensor_split(x, 4, 3)[0], torch.full_like(x, 3), torch.zeros_like(x),
        torch.ones(2, 3),
    ]  # fmt: skip


@case((5, 4), (4, 3))
def products(a: torch.Tensor, b: torch.Tensor) -> Any:
    return [
        a @ b, torch.bmm(a, b), torch.einsum("bij,bjk->bik", a, b), torch.einsum("bij,bjk->b", a, b),
        torch.einsum("bii->bi", a[:, :3, :3]), torch.einsum("bii,bjk->bk", a[:, :3, :3], b),
        a[:, 0] @ torch.ones(4, 2), torch.baddbmm(torch.ones(5, 3), a, b, beta=0.5, alpha=2),
        torch.addmm(torch.ones(2), a[:, 0], torch.ones(4, 2)), torch.cross(a[:, :3, :3], b[:, :3], dim=1),
        torch.cdist(a, b.mT), torch.cdist(a, b.mT, p=1), torch.matmul(a, torch.ones(4)),
    ]  # fmt: skip


@case((6, 4), open_batch=False)  # torch.export fixes the batch
def picking(x: torch.Tensor) -> Any:
    index = x.argsort(1)
    return [
        x.sort(1).values, x.sort(2, descending=True).indices, x.topk(3, 1).values,
        x.topk(2, 2, largest=False).indices, index, x.gather(1, index), torch.take_along_dim(x, index, 1),
        x[:, [0, -1, 2]], x[:, torch.tensor([[0, 1], [2, 3]]), :2], x[:, torch.tensor([0, 2]), torch.tensor([1, -1])],
        x.index_select(2, torch.tensor([3, 0])), torch.searchsorted(torch.tensor([-1.0, 0.0, 1.0]), x),
        torch.bucketize(x, torch.tensor([-1.0, 0.5])),
    ]  # fmt: skip


@case((5, 4))
def masks(x: torch.Tensor) -> Any:
    rows = torch.tensor([True, False, True, True, False])
    return x[:, rows], x[x > 0], x[x[:, 0, 0] > 0][:, 1], torch.masked_select(x, x < 0), torch.nonzero(x > 0.5)


@case((6,), ints=6)
def one_hot(x: torch.Tensor) -> Any:
    return F.one_hot(x, 6)


@case((4, 6))
def scattering(x: torch.Tensor) -> Any:
    index = x.argsort(2)
    zero = torch.zeros_like(x)
    return [
        zero.scatter(2, index, x), zero.scatter_add(2, index[..., :3] % 2, x[..., :3]),
        zero.scatter(1, index % 4, 2.0), zero.scatter_reduce(2, index % 3, x, "amax", include_self=False),
        x.index_add(1, torch.tensor([0, 0, 2]), x[:, :3]), zero.index_copy(2, torch.tensor([1, 3]), x[..., :2]),
        x.index_fill(1, torch.tensor([0, 2]), 7.0),
        zero.index_put((torch.arange(x.shape[0]).view(-1, 1), index[:, 0, :2] % 4), x[:, 0, :2].unsqueeze(-1)),
        zero.scatter_reduce(1, index % 4, x, "mean"),
    ]  # fmt: skip


@case((4, 5))
def in_place(x: torch.Tensor) -> Any:
    y = x.clone()
    y[:, 1] = 7
    y[:, 2:4] += 1
    view = y[:, 0]
    view.mul_(3)
    z = torch.zeros(x.shape[0], 6)
    z[:, ::2] = x[:, 0, :3]
    w = F.relu(x - 1, inplace=True)
    w.clamp_(max=2).add_(y)
    return y, view, z, w


@case((4,), (4,))
def mixed_types(a: torch.Tensor, b: torch.Tensor) -> Any:
    n = (a * 3).long()
    i = (b * 3).int()
    half = torch.tensor(0.5, dtype=torch.float64)
    return [
        n + i, n / 2, n // 2, n % 3, n * 0.5, i + 1, a + half, i * half, n + True, (n > 0) + 1,
        n.float() + b.double(), n.sum(1), i.sum(1), n.float().mean(1), n.clamp(0, 2), n.abs().sqrt(),
        torch.where(n > 0, n, 0.5), n**2, -n, n.sign(), n & 3, n | 4, n ^ 1, ~n, n << 1, n >> 1,
        torch.div(n, 2, rounding_mode="trunc"), n == i, a.double() * b, n.max(1).values, torch.arange(4) + n,
        torch.arange(0, 1, 0.25) * a, torch.linspace(0, 1, 4) + a, torch.eye(4) @ a.unsqueeze(2), a.to(torch.int32),
        a.bool(), n.to(a.dtype), n.cumsum(1), n.prod(1),
    ]  # fmt: skip


@case((2, 5, 6))
def resizing(x: torch.Tensor) -> Any:
    return [
        F.interpolate(x, scale_factor=2), F.interpolate(x, size=(7, 4), mode="nearest-exact"),
        F.interpolate(x, size=(9, 5), mode="bilinear"),
        F.interpolate(x, scale_factor=1.7, mode="bilinear", align_corners=True),
        F.interpolate(x, size=(11, 8), mode="bicubic"), F.interpolate(x[:, :, 0], size=9, mode="linear"),
        F.interpolate(x, size=(3, 3), mode="area"), F.interpolate(x, size=(3, 4), mode="bilinear", antialias=True),
        F.interpolate(x, size=(2, 4), mode="bicubic", antialias=True),
    ]  # fmt: skip


@case((2, 5, 6), (4, 3, 2))
def grid_sampling(x: torch.Tensor, grid: torch.Tensor) -> Any:
    return [
        F.grid_sample(x, grid, align_corners=False), F.grid_sample(x, grid, "nearest", "border", align_corners=True),
        F.grid_sample(x, grid, "bilinear", "reflection", align_corners=False),
    ]  # fmt: skip


@case((3, 8))
def fourier(x: torch.Tensor) -> Any:
    y = torch.fft.rfft(x)
    return [
        y.real,
        y.abs(),
        y.angle(),
        torch.view_as_real(y),
        torch.fft.irfft(y),
        (y * y.conj()).real,
        torch.fft.fft(x).imag,
    ]


@case((3, 7))
def fourier_of_other_lengths(x: torch.Tensor) -> Any:
    y = torch.fft.fft(x, n=5, norm="ortho")
    return [y.real, torch.fft.ifft(y, n=9).imag, torch.fft.rfft(x, n=10, norm="forward").imag, torch.fft.fftshift(x)]


@case((2, 7, 5))
def indices_of_maxima(x: torch.Tensor) -> Any:
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    overlapping = F.max_pool2d(x, 3, 2, 1, ceil_mode=True, return_indices=True)
    return [values, indices, F.max_unpool2d(values, indices, 2, output_size=(7, 5)), *overlapping]


@case((4,))
def not_a_number(x: torch.Tensor) -> Any:
    x = torch.where(x > 1, torch.nan, x)
    return [
        x.max(1).values, x.max(1).indices, x.argmin(1), x.amin(1), x.sort(1).values, x.sort(1).indices, x.clamp(-1, 1),
        x.relu(), torch.maximum(x, x.flip(1)), x.softmax(1), F.threshold(x, 0.1, 5.0), F.hardshrink(x), F.softshrink(x),
        x.sign(), x.median(1).values, x.cumsum(1), x % 2.5, x // 2.5, F.hardtanh(x), F.elu(x), x.logsumexp(1), x.bool(),
    ]  # fmt: skip


@case((3, 4), traceable=False)
def nested_outputs(x: torch.Tensor) -> Any:
    return {"a": x, "b": [x + 1, (x * 2, x.shape[1])], "c": {"d": x.sum()}}
