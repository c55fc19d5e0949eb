"""Writes pytorch/: files of torch.export and TorchScript, with inputs and PyTorch's outputs in float32 and float64.

Needs torch, unlike the tests that read the files.
"""

from __future__ import annotations

import copy
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).parent / "pytorch"
BATCH = 3


class Graph(nn.Module):
    """A convolution on the nearest neighbors of particles, whose number is open."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))

    def forward(self, points: torch.Tensor) -> Any:
        index = torch.cdist(points, points).topk(3, dim=-1, largest=False).indices
        near = points[torch.arange(points.shape[0]).view(-1, 1, 1), index]
        edges = torch.cat([points.unsqueeze(2).expand_as(near), near - points.unsqueeze(2)], -1)
        y = self.layer(edges).amax(2)
        if torch.jit.is_tracing():  # which returns dicts of tensors only
            return y, (y.mean(1), points[:, 0].sum(1))
        return {"nodes": y, "event": (y.mean(1), points[:, 0].sum(1))}


class Sequence(nn.Module):
    """A recurrent network and attention."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, bidirectional=True, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.lstm(x)
        z, _ = self.attention(y, y, y, need_weights=False)
        return self.norm(y + z)


class Scripted(nn.Module):
    """Branches, loops, lists and functions of TorchScript."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)])
        self.norm = nn.BatchNorm1d(4)
        self.scale = 0.5

    def forward(self, x: torch.Tensor, weight: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        parts = [x]
        for index, layer in enumerate(self.layers):
            y = torch.relu(layer(parts[-1]))
            if index % 2 == 1:
                y = y * self.scale
            parts.append(y)
        if weight is not None:
            parts.append(weight)
        total = torch.zeros_like(x)
        for part in parts:
            total += part
        return {"total": self.norm(total), "last": torch.cat(parts[1:], 1)}


MODELS: dict[str, tuple[nn.Module, list[tuple[int, ...]]]] = {
    "mlp": (nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, 3), nn.Softmax(-1)), [(5,)]),
    "cnn": (
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.SiLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
        ),
        [(2, 6, 7)],
    ),
    "sequence": (Sequence(), [(5, 3)]),
    "graph": (Graph(), [(6, 2)]),
    "scripted": (Scripted(), [(4,)]),
}


def save_script(model: Any, path: Path) -> None:
    """Saves a module of TorchScript without the paths of this machine, which are in the files for debuggers."""
    buffer = io.BytesIO()
    torch.jit.save(model, buffer)
    with zipfile.ZipFile(buffer) as archive, zipfile.ZipFile(path, "w") as out:
        for name in archive.namelist():
            if not name.endswith(".debug_pkl"):
                out.writestr(zipfile.ZipInfo(name), archive.read(name))


def arrays(result: Any) -> list[np.ndarray]:
    """The tensors and numbers in nested results, in order."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (list, tuple)):
        return [array for part in result for array in arrays(part)]
    return [result.numpy() if isinstance(result, torch.Tensor) else np.asarray(result)]


def expected(inputs: list[torch.Tensor], outputs: list[np.ndarray], exact: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The content of an .npz file."""
    found = {f"input:{i}": x.numpy() for i, x in enumerate(inputs)}
    return found | {f"output:{i}": y for i, y in enumerate(outputs)} | {f"exact:{i}": y for i, y in enumerate(exact)}


def main() -> None:
    """Writes all files."""
    torch.manual_seed(0)
    FOLDER.mkdir(exist_ok=True)
    for name, (model, shapes) in MODELS.items():
        model.eval()
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
        inputs = [torch.randn(BATCH, *shape) for shape in shapes]
        with torch.no_grad():
            outputs = arrays(model(*inputs))
            exact = arrays(copy.deepcopy(model).double()(*(x.double() for x in inputs)))
        np.savez(FOLDER / f"{name}.npz", **expected(inputs, outputs, exact))
        if name == "scripted":
            save_script(torch.jit.script(model), FOLDER / f"{name}.pt")
            continue
        if name in ("sequence", "graph"):
            save_script(torch.jit.trace(model, tuple(inputs), strict=False, check_trace=False), FOLDER / f"{name}.pt")
        batch = torch.export.Dim("batch")
        program = torch.export.export(model, tuple(inputs), dynamic_shapes=[{0: batch} for _ in inputs])
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # paths of this machine
        torch.export.save(program, FOLDER / f"{name}.pt2")


if __name__ == "__main__":
    main()
