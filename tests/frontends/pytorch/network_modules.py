"""Networks of several libraries' kinds, written for the tests; further cases of :mod:`modules`. Needs torch."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from modules import CASES, Case, case
from torch import nn

# -- graphs, with any numbers of nodes and edges -----------------------------------------------------------------------

GRAPH = (("nodes", 6), (2, "edges"))


def graph(batch: int) -> tuple[torch.Tensor, ...]:
    """Features of nodes, and the source and target of each edge; some nodes have none."""
    nodes, edges = 4 * batch + 1, 11 * batch
    return torch.randn(nodes, 6), torch.randint(0, nodes, (2, edges))


class GraphConvolution(nn.Module):
    """``D^-1/2 (A + 1) D^-1/2 X W``, as Kipf and Welling define it."""

    def __init__(self, size: int, units: int):
        super().__init__()
        self.linear = nn.Linear(size, units)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        loops = torch.arange(x.size(0))
        edges = torch.cat([edges, torch.stack([loops, loops])], 1)
        source, target = edges[0], edges[1]
        degree = torch.zeros(x.size(0), dtype=x.dtype).scatter_add_(0, target, torch.ones_like(target, dtype=x.dtype))
        weight = degree.pow(-0.5)
        weight = weight.masked_fill(weight == torch.inf, 0.0)
        messages = self.linear(x)[source] * (weight[source] * weight[target]).unsqueeze(1)
        return torch.zeros_like(messages[: x.size(0)]).index_add(0, target, messages)


class GraphAttention(nn.Module):
    """A softmax over the edges into each node."""

    def __init__(self, size: int, units: int):
        super().__init__()
        self.linear, self.left, self.right = nn.Linear(size, units), nn.Linear(units, 1), nn.Linear(units, 1)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        h = self.linear(x)
        scores = F.leaky_relu(self.left(h)[edges[0]] + self.right(h)[edges[1]], 0.2).squeeze(1)
        low = torch.full((x.size(0),), -torch.inf, dtype=x.dtype)
        top = low.scatter_reduce(0, edges[1], scores, "amax", include_self=False)
        scores = (scores - top[edges[1]]).exp()
        total = torch.zeros(x.size(0), dtype=x.dtype).scatter_add(0, edges[1], scores) + 1e-16
        return torch.zeros_like(h).index_add(0, edges[1], h[edges[0]] * (scores / total[edges[1]]).unsqueeze(1))


class EdgeMaximum(nn.Module):
    """An edge convolution: the maximum over the edges into each node; 0 for a node without edges."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        mine, other = x[edges[1]], x[edges[0]]
        messages = self.network(torch.cat([mine, other - mine], 1))
        index = edges[1].unsqueeze(1).expand(-1, 4)
        return x.new_zeros(x.size(0), 4).scatter_reduce(0, index, messages, "amax", include_self=False)


class WithoutLoops(nn.Module):
    """Drops edges from a node to itself, so that the number of edges depends on the data."""

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        weight = x[edges[0], 0] * x[edges[1], 1]
        loops = edges[0] == edges[1]
        weight[loops] = weight[loops] - 1
        edges = edges[:, ~loops]
        return torch.zeros(x.size(0), dtype=x.dtype).index_add(0, edges[1], x[edges[0], 2]) + weight.sum()


class Two(nn.Module):
    """Two layers of a graph network."""

    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        return self.second(F.relu(self.first(x, edges)), edges)


CASES["graph_convolution"] = Case(lambda: Two(GraphConvolution(6, 8), GraphConvolution(8, 3)), graph, shapes=GRAPH)
CASES["graph_attention"] = Case(lambda: Two(GraphAttention(6, 8), GraphAttention(8, 3)), graph, shapes=GRAPH)
CASES["edge_maximum"] = Case(EdgeMaximum, graph, shapes=GRAPH)
CASES["without_loops"] = Case(WithoutLoops, graph, traceable=False, shapes=GRAPH)

# -- particles, any number of them -------------------------------------------------------------------------------------


def particles(batch: int) -> tuple[torch.Tensor, ...]:
    """Features, momenta (px, py, pz, E) and a mask of particles."""
    count = 5 + 2 * batch
    mask = torch.ones(batch, 1, count)
    mask[-1, :, 4:] = 0
    momenta = torch.randn(batch, 3, count)
    energy = momenta.square().sum(1, keepdim=True).sqrt() + 0.5
    return torch.randn(batch, 6, count) * mask, torch.cat([momenta, energy], 1) * mask, mask


class PairBias(nn.Module):
    """Attention with a bias that is computed from pairs of momenta."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.BatchNorm1d(6), nn.Conv1d(6, 16, 1), nn.GELU())
        self.pairs = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 1), nn.GELU(), nn.Conv2d(8, 4, 1))
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm, self.token = nn.LayerNorm(16), nn.Parameter(torch.randn(1, 1, 16))
        self.pool, self.out = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 3)

    def features(self, p: torch.Tensor) -> torch.Tensor:
        px, py, pz, energy = p.split(1, dim=1)
        pt = torch.sqrt(px**2 + py**2).clamp(min=1e-4)
        rapidity = 0.5 * torch.log((1 + 2 * pz / (energy - pz).clamp(min=1e-4)).clamp(min=1e-4))
        phi = torch.atan2(py, px)
        turn = (phi.unsqueeze(-1) - phi.unsqueeze(-2) + math.pi) % (2 * math.pi) - math.pi
        distance = ((rapidity.unsqueeze(-1) - rapidity.unsqueeze(-2)) ** 2 + turn**2).clamp(min=1e-4)
        small = torch.minimum(pt.unsqueeze(-1), pt.unsqueeze(-2))
        return torch.cat([distance.log(), small.log(), (small / (pt.unsqueeze(-1) + pt.unsqueeze(-2))).log()], 1)

    def forward(self, x: torch.Tensor, p: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        missing = mask.squeeze(1) == 0
        h = self.embed(x).transpose(1, 2).masked_fill(missing.unsqueeze(-1), 0.0)
        bias = self.pairs(self.features(p)).flatten(0, 1)
        padding = torch.zeros_like(missing, dtype=x.dtype).masked_fill(missing, -torch.inf)
        h = h + self.attention(h, h, h, key_padding_mask=padding, attn_mask=bias, need_weights=False)[0]
        token = self.token.expand(x.size(0), -1, -1)
        pooled, _ = self.pool(token, self.norm(h), h, key_padding_mask=missing, need_weights=False)
        return self.out(pooled.squeeze(1)).softmax(1)


class DynamicGraph(nn.Module):
    """An edge convolution over the nearest neighbors, which are found for each call."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm1d(6), nn.Sequential(nn.Conv2d(12, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.shortcut, self.out = nn.Conv1d(6, 8, 1), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor, p: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x, points = self.norm(x) * mask, p[:, :2] + (mask == 0) * 1e9
        products = -2 * torch.matmul(points.transpose(2, 1), points)
        squares = points.square().sum(1, keepdim=True)
        nearest = (squares.transpose(2, 1) + products + squares).topk(4, dim=-1, largest=False)[1][:, :, 1:]
        batch, size, count = x.shape
        index = (nearest + torch.arange(batch).view(-1, 1, 1) * count).view(-1)
        near = x.transpose(2, 1).reshape(-1, size)[index].view(batch, count, 3, size).permute(0, 3, 1, 2)
        mine = x.unsqueeze(-1).repeat(1, 1, 1, 3)
        h = self.conv(torch.cat([mine, near - mine], 1)).mean(-1)
        h = F.relu(h + self.shortcut(x)) * mask
        return self.out(h.sum(-1) / mask.sum(-1).clamp(min=1)).softmax(1)


JET = (("batch", 6, "count"), ("batch", 4, "count"), ("batch", 1, "count"))
CASES["pair_bias"] = Case(PairBias, particles, shapes=JET)
CASES["dynamic_graph"] = Case(DynamicGraph, particles, shapes=JET)

# -- language and images -----------------------------------------------------------------------------------------------


class Rotary(nn.Module):
    """A decoder with rotary embeddings, root mean square norms, shared heads and a gated network."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.norm, self.last = nn.Embedding(20, 16), nn.RMSNorm(16), nn.RMSNorm(16)
        self.q, self.kv, self.o = nn.Linear(16, 16, False), nn.Linear(16, 16, False), nn.Linear(16, 16, False)
        self.gate, self.up, self.down = nn.Linear(16, 24), nn.Linear(16, 24), nn.Linear(24, 16)
        self.register_buffer("frequencies", 10000.0 ** (-torch.arange(0, 4, 2) / 4))

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        angles = torch.arange(x.shape[2]).float()[:, None] * self.frequencies
        angles = torch.cat([angles, angles], -1).to(x.dtype)
        a, b = x.chunk(2, -1)
        return x * angles.cos() + torch.cat([-b, a], -1) * angles.sin()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.table(tokens)
        h = self.norm(x)
        q = self.q(h).unflatten(2, (4, 4)).transpose(1, 2)
        k, v = (part.unflatten(2, (2, 4)).transpose(1, 2) for part in self.kv(h).chunk(2, -1))
        k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        y = F.scaled_dot_product_attention(self.turned(q), self.turned(k), v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).flatten(2))
        h = self.last(x)
        return (x + self.down(F.silu(self.gate(h)) * self.up(h))) @ self.table.weight.T


def tokens(batch: int) -> tuple[torch.Tensor, ...]:
    """Sequences whose length grows with the batch."""
    return (torch.randint(0, 20, (batch, 3 + 2 * batch)),)


CASES["rotary"] = Case(Rotary, tokens, shapes=(("batch", "time"),))


@case((3, 8, 8))
class ShiftedWindows(nn.Module):
    """Attention in windows that are shifted."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.qkv, self.norm = nn.Conv2d(3, 8, 2, 2), nn.Linear(8, 24), nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.embed(x).permute(0, 2, 3, 1))
        batch, height, width, size = x.shape
        x = torch.roll(x, (-1, -1), (1, 2)).view(batch, height // 2, 2, width // 2, 2, size)
        windows = x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, 4, size)
        q, k, v = self.qkv(windows).view(-1, 4, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 2, 2, size)
        y = y.view(batch, height // 2, width // 2, 2, 2, size).permute(0, 1, 3, 2, 4, 5).reshape(batch, -1, size)
        return torch.roll(y.view(batch, height, width, size), (1, 1), (1, 2)).mean((1, 2))


@case((4, 9))
class Parametrized(nn.Module):
    """Weights that are computed from others."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 6, 3, padding=1), dim=2)
        self.linear = nn.utils.parametrizations.spectral_norm(nn.Linear(9, 5))
        self.standard = nn.Parameter(torch.randn(3, 6, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, std = self.standard.mean((1, 2), keepdim=True), self.standard.std((1, 2), keepdim=True)
        return F.conv1d(F.dropout(self.linear(self.conv(x)), 0.5, False, True), (self.standard - mean) / std)


@case((5, 3))
class ProjectedStates(nn.Module):
    """A projected LSTM that starts from given states."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 6, proj_size=2, batch_first=True)
        self.h, self.c = nn.Parameter(torch.randn(1, 1, 2)), nn.Parameter(torch.randn(1, 1, 6))

    def forward(self, x: torch.Tensor) -> Any:
        states = (part.expand(1, x.size(0), -1).contiguous() for part in (self.h, self.c))
        return self.lstm(x, tuple(states))


@case((3, 5, 6), (2,))
class ComputedKernel(nn.Module):
    """A convolution, and a transposed one, whose kernels are computed from an input."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Linear(2, 4 * 3 * 2 * 3)

    def forward(self, x: torch.Tensor, control: torch.Tensor) -> Any:
        kernel = self.kernel(control.mean(0)).view(4, 3, 2, 3)
        y = F.conv2d(x, kernel, torch.ones(4), padding=1, stride=(1, 2))
        return y, F.conv_transpose2d(y, kernel, torch.ones(3), stride=2)


# -- operators ---------------------------------------------------------------------------------------------------------


@case((4, 5))
def joining(x: torch.Tensor) -> Any:
    a, b = torch.linspace(0, 1, 3), torch.tensor([1.0, 2.0])
    return [
        torch.dstack([x[0], x[0] + 1]), torch.column_stack([x[:, 0], x[:, 1, :1]]), torch.atleast_3d(x[:, 0]),
        torch.cartesian_prod(a, b), torch.block_diag(x[0], x[0, :2]), torch.fliplr(x), torch.flipud(x),
        *torch.hsplit(x, 2), torch.diag_embed(x), torch.diag(x[0, 0]), torch.diag(x[0], 1), torch.tril_indices(3, 4, 1),
        torch.linspace(0, 1, x.shape[1]), torch.logspace(0, 2, 3), torch.addr(x[0], x[0, :, 0], x[0, 0]),
    ]  # fmt: skip


@case((3, 4, 4), open_batch=False)  # torch.export fixes the batch
def matrices(x: torch.Tensor) -> Any:
    m = torch.tensor([[2.0, 1.0, 0.0, 0.0], [0.5, 3.0, 1.0, 0.0], [0.0, 0.2, 1.5, 0.3], [0.1, 0.0, 0.0, 1.0]])
    return [
        torch.linalg.multi_dot([x[0, 0], m, m]), torch.linalg.matrix_power(x, 3), torch.linalg.matrix_norm(x),
        torch.linalg.matrix_norm(x, 1), torch.linalg.inv(m) @ x, torch.linalg.slogdet(m)[1] + x, torch.det(m),
        torch.linalg.matrix_exp(m),
        torch.linalg.solve(m, x), torch.linalg.solve_triangular(m, x, upper=True), torch.linalg.vecdot(x, x),
    ]  # fmt: skip


@case((6,), (6,))
def losses(x: torch.Tensor, y: torch.Tensor) -> Any:
    p, target = x.sigmoid(), y.sigmoid()
    return [
        F.mse_loss(x, y, reduction="none"), F.l1_loss(x, y), F.huber_loss(x, y, reduction="sum"),
        F.smooth_l1_loss(x, y, beta=0.5), F.binary_cross_entropy(p, target, reduction="none"),
        F.binary_cross_entropy_with_logits(x, target), F.kl_div(x.log_softmax(1), y.softmax(1), reduction="sum"),
        F.cross_entropy(x, y.argmax(1)), F.poisson_nll_loss(x, target), F.nll_loss(x, y.argmin(1), reduction="none"),
    ]  # fmt: skip


@case((2, 64))
def spectra(x: torch.Tensor) -> Any:
    y = torch.stft(x[:, 0], 16, 8, 16, torch.hann_window(16), return_complex=True)
    image = x.view(-1, 2, 8, 8)
    transform = torch.fft.rfft2(image)
    return [
        y.abs(), y.real, torch.fft.irfft2(transform, s=(8, 8)), torch.fft.fftn(image, dim=(1, 2, 3)).real,
        torch.fft.fftshift(x, 2),
        torch.fft.ifft2(torch.fft.fft2(image)).real, torch.polar(x.abs(), x).imag, torch.fft.rfftfreq(8) + x[:, :, :5],
        (transform / (transform / 100 + 2)).real, torch.hamming_window(8) * image, torch.kaiser_window(8) * image,
    ]  # fmt: skip


@case((2, 16, 16))
class fourier_layer(nn.Module):  # noqa: N801
    """The layer of a Fourier neural operator."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = (nn.Parameter(torch.randn(2, 3, 4, 4, dtype=torch.complex64)) for _ in range(2))

    def forward(self, x: torch.Tensor) -> Any:
        modes = torch.fft.rfft2(x)
        kept = torch.zeros(x.shape[0], 3, 16, 9, dtype=torch.complex64)
        kept[:, :, :4, :4] = torch.einsum("bixy,ioxy->boxy", modes[:, :, :4, :4], self.low)
        kept[:, :, -4:, :4] = torch.einsum("bixy,ioxy->boxy", modes[:, :, -4:, :4], self.high)
        return torch.fft.irfft2(kept, s=(16, 16))


@case((3, 12))
class state_space_layer(nn.Module):  # noqa: N801
    """A diagonal state space layer: a convolution whose kernel is a sum of complex exponentials."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Parameter(torch.randn(3, 4, 2))
        self.decay, self.frequency = nn.Parameter(torch.rand(3, 4)), nn.Parameter(torch.randn(3, 4))

    def forward(self, x: torch.Tensor) -> Any:
        rates = 0.1 * (-torch.exp(self.decay) + 1j * self.frequency)
        kernel = torch.exp(rates.unsqueeze(-1) * torch.arange(12))
        factors = torch.view_as_complex(self.output) * (torch.exp(rates) - 1) / rates
        response = 2 * torch.einsum("hn,hnl->hl", factors, kernel).real
        return torch.fft.irfft(torch.fft.rfft(x, 24) * torch.fft.rfft(response, 24), 24)[..., :12]


@case((5, 6))
class complex_numbers(nn.Module):  # noqa: N801
    def __init__(self) -> None:
        super().__init__()
        self.matrix, self.shift = (nn.Parameter(torch.randn(*size, dtype=torch.complex64)) for size in ((6, 4), (5, 6)))
        self.linear = nn.Linear(6, 3, dtype=torch.complex64)
        self.convolution = nn.Conv1d(5, 2, 3, dtype=torch.complex64)

    def forward(self, x: torch.Tensor) -> Any:
        z = torch.complex(x, x / 2) + self.shift
        changed = z.clone()
        changed[..., 0] = x[..., 0]
        changed[:, 1] *= 2 - 0.5j
        results = [
            z @ self.matrix, self.linear(z), self.convolution(z), torch.cat([z, torch.complex(x, x)], -1), changed,
            torch.where(x > 0, z, torch.zeros_like(z)), z.log(), z.sqrt(), z.pow(3), 1 / z, z / (z + 3), z.conj() * z,
            z.masked_fill(x > 1, 2.0), z.sum(1), z.to(torch.complex128), torch.outer(self.shift[0], z[0, 0]), 3 - z,
            torch.stack([z.flip(1), z.roll(1, 2)]), x.to(torch.complex64) * 2j, torch.exp(1j * x), z.square(),
        ]  # fmt: skip
        return [torch.view_as_real(y) for y in results] + [z.abs(), z.angle(), z.real, z.imag]


@case((5, 6))
def complex_functions(x: torch.Tensor) -> Any:
    z, w = torch.complex(x, x.flip(-1)), torch.complex(x.roll(1, -1), 1 + x.abs())
    far = torch.complex(100 * x, x)
    results = [
        z.tanh(), z.sinh(), z.cosh(), z.sin(), z.cos(), z.tan() / 4, z.sigmoid(), far.tanh(), far.sigmoid(), F.silu(z),
        z.exp2(), z.expm1(), (z / 1000).expm1(), w.log2(), w.log10(), w.rsqrt(), w**0.3, w**-2, w**4, z**2.0, w**0.5,
        z ** (0.3 + 0.2j), 2.0**z, w ** torch.complex(x, x), (1 + x.abs()) ** z, z.sgn(), (z * 0).sgn(), (1 + w) / z,
        z / (1e30 * w) * 1e30, F.dropout(z, 0.5, False), z.to(torch.complex128) + 0.1, 0.1 / w.to(torch.complex128),
        z.to(torch.complex128) * (0.1 + 0.7j), z * x.double().sum(), x.double() * (0.1 + 0.7j), z + z.sum().cdouble(),
        torch.full((2, 3), 0.1 + 0.2j) + z[0, 0, 0], z.masked_fill(x > 0, 0.1 - 1j),
    ]  # fmt: skip
    real = [z == z.real, z != z, (z / 0).isnan(), (z / 0).isinf(), z.isfinite(), torch.linalg.vector_norm(z, dim=-1)]
    return [torch.view_as_real(y) for y in results] + real


@case((2, 96))
def inverse_transforms(x: torch.Tensor) -> Any:
    window, short = torch.hann_window(32), torch.hamming_window(12)
    transform = torch.stft(x[:, 0], 32, 8, 32, window, return_complex=True)
    other = torch.stft(x[:, 1], 16, 4, 12, short, normalized=True, return_complex=True)
    return [
        torch.istft(transform * 2, 32, 8, 32, window, length=96), torch.istft(transform, 32, 8, 32, window),
        torch.istft(other, 16, 4, 12, short, normalized=True, length=90), torch.istft(transform[0], 32, 8, 32, window),
    ]  # fmt: skip


class PackedSequences(nn.Module):
    """A recurrent layer on sequences of several lengths."""

    def __init__(self, layer: nn.RNNBase, total_length: int | None = None):
        super().__init__()
        self.layer, self.total_length = layer, total_length

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> Any:
        first = self.layer.batch_first
        x = x if first else x.transpose(0, 1)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False)
        y, state = self.layer(packed)
        return *nn.utils.rnn.pad_packed_sequence(y, first, -2.0, self.total_length), state


def sequences(batch: int) -> tuple[torch.Tensor, ...]:
    """Sequences, and their lengths."""
    return torch.randn(batch, 8, 4), torch.randint(1, 8, (batch,))


for name, made in {
    "packed_lstm": lambda: PackedSequences(nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True)),
    "packed_gru": lambda: PackedSequences(nn.GRU(4, 5, batch_first=True), 8),
    "packed_rnn": lambda: PackedSequences(nn.RNN(4, 5, bidirectional=True)),
}.items():
    CASES[name] = Case(made, sequences, exportable=False)


@case((5,), (5,), (5,))
def margins(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Any:
    sign, kind, weight = torch.sign(x), y.argmax(1), torch.arange(5.0) + 1
    image = torch.stack([x, y, z], 1).unsqueeze(-1)  # three classes
    return [
        F.margin_ranking_loss(x, y, sign, 0.3), F.hinge_embedding_loss(x, sign, 0.5), F.soft_margin_loss(x, sign),
        F.cosine_embedding_loss(x, y, sign[:, 0], 0.1, reduction="none"), F.multi_margin_loss(x, kind, p=2),
        F.triplet_margin_loss(x, y, z, swap=True), F.multi_margin_loss(x, kind, weight=weight, reduction="none"),
        F.cross_entropy(x, kind, label_smoothing=0.1, ignore_index=2), F.cross_entropy(x, y.softmax(1), weight),
        F.cross_entropy(x, kind, weight, label_smoothing=0.2), F.cross_entropy(x, y.softmax(1), label_smoothing=0.1),
        F.cross_entropy(image, image.squeeze(-1).argmax(1, keepdim=True).transpose(1, 2), label_smoothing=0.1),
    ]  # fmt: skip


@case((5, 7))
def further_reductions(x: torch.Tensor) -> Any:
    holes = torch.where(x > 1, torch.nan, x)
    matrices = x[:, :4, :4]
    return [
        holes.nanmedian(1).values, holes.nanmedian(), holes.nanquantile(0.3, dim=1), holes.nanmedian(2, True).values,
        torch.histc(x, 7, -2, 2), torch.histc(x, 5), torch.linalg.norm(matrices, "fro", (1, 2)),
        torch.linalg.norm(x, 3, 1), torch.linalg.norm(matrices[0], 1), torch.linalg.norm(x),
        torch.float_power(x, 3),
    ]  # fmt: skip


@case((5, 7))
def distinct(x: torch.Tensor) -> Any:
    rounded = x.round()
    values, inverse, counts = torch.unique(rounded, return_inverse=True, return_counts=True)
    slices, places = torch.unique(rounded, dim=0, return_inverse=True)
    return [torch.unique(rounded), values, inverse, counts, slices, places]


@case((5, 7))
def padded_sequences(x: torch.Tensor) -> Any:
    rows = [x[0], x[0, :3], x[-1, 1:2], x.mean(2)]
    pad = nn.utils.rnn.pad_sequence
    return [pad(rows[:3], True, -1.0), pad(rows[:3]), pad([x.sum((1, 2)), x[0, 0]]), pad(rows[:2], True, 0, "left")]


@case((2, 7, 6))
def adaptive_maxima(x: torch.Tensor) -> Any:
    cube = x.unsqueeze(2).expand(-1, -1, 3, -1, -1)
    return [
        *F.adaptive_max_pool2d(x, (3, 4), return_indices=True), *F.adaptive_max_pool1d(x[:, 0], 4, return_indices=True),
        *F.adaptive_max_pool2d(x, 1, return_indices=True), *F.adaptive_max_pool3d(cube, (2, 3, 3), return_indices=True),
    ]  # fmt: skip


@case((2, 3, 4, 5))
def spatial_transformer(x: torch.Tensor) -> Any:
    theta = x[:, 0, :2, :3, 0]
    solid = x[:, 0, :3, :4, 0]
    results = [
        F.grid_sample(x[:, :, 0], F.affine_grid(theta, [x.shape[0], 3, 6, 7], corners), align_corners=corners)
        for corners in (True, False)
    ]
    for mode, padding in (("bilinear", "zeros"), ("nearest", "border"), ("bilinear", "reflection")):
        grid = F.affine_grid(solid, [x.shape[0], 2, 3, 1, 4], align_corners=False)
        results.append(F.grid_sample(x, grid, mode, padding, align_corners=False))
    return results


class Orthogonal(nn.Module):
    """A layer whose weight is a product of reflections."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.utils.parametrizations.orthogonal(nn.Linear(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)
        return y


CASES["orthogonal"] = Case(Orthogonal, lambda batch: (torch.randn(batch, 4),))


@case((12,))
def smoothing(x: torch.Tensor) -> Any:
    """Pooling of the rows of a matrix, which are channels to PyTorch."""
    return (
        F.avg_pool1d(x, 3, 1, 1),
        F.max_pool1d(x, 2),
        x - F.avg_pool1d(x, 4, 4, ceil_mode=True).repeat_interleave(4, 1),
    )


@case((3, 6, 7))
def windows(x: torch.Tensor) -> Any:
    columns = F.unfold(x, (2, 3), padding=1, stride=2)
    return F.fold(columns, (6, 7), (2, 3), padding=1, stride=2), F.fold(F.unfold(x, 3), (6, 7), 3)


@case((4,))
def functions_of_probability(x: torch.Tensor) -> Any:
    p = x.sigmoid()
    return [
        torch.special.ndtr(x), torch.special.ndtri(p), torch.special.entr(p), torch.special.xlog1py(p, p),
        torch.logaddexp2(x, p), torch.logcumsumexp(x, 1), torch.trapezoid(x), torch.isin(x.round(), torch.arange(3.0)),
        torch.masked_fill(x, x > 0, 0.0), x.masked_scatter(x > 0, p), torch.ldexp(x, torch.tensor(2)),
    ]  # fmt: skip


@case((4, 5), open_batch=False)
def statistics_of_the_batch(x: torch.Tensor) -> Any:
    return F.batch_norm(x, None, None, training=True), F.instance_norm(x)
