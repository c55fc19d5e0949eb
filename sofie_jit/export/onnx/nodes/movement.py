"""Operators that move elements, whose shapes and indices are input tensors in ONNX."""

from __future__ import annotations

from sofie_jit.export.onnx.graph import GraphWriter, to_first
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.slice import Slice


@rule("Reshape")
def reshape(g: GraphWriter, op: Reshape, x: str) -> str:
    """Sizes that are not known are copied (0) or follow from the others (-1), if that is possible."""
    source, shape = g.shape(x), g.shape(op.outputs[0])
    if 0 in shape:
        return g("Reshape", x, g.sizes(shape), allowzero=1)
    target = [
        0 if isinstance(dim, SymbolicDim) and source[axis : axis + 1] == (dim,) else dim
        for axis, dim in enumerate(shape)
    ]
    open_axes = [axis for axis, dim in enumerate(target) if isinstance(dim, SymbolicDim)]
    if len(open_axes) > 1:
        return g("Reshape", x, g.sizes(shape))
    for axis in open_axes:
        target[axis] = -1
    return g("Reshape", x, g.sizes(target))


@rule("Expand")
def expand(g: GraphWriter, op: Expand, x: str) -> str:
    return g("Expand", x, g.sizes(g.shape(op.outputs[0])))


@rule("Gather")
def gather(g: GraphWriter, op: Gather, data: str, indices: str) -> str:
    dtype = g.dtype(indices)
    return g("Gather", data, g.cast(indices, dtype if dtype in ("int32", "int64") else "int64", dtype), axis=op.axis)


@rule("Slice")
def slice_(g: GraphWriter, op: Slice, x: str) -> str:
    axes = range(len(op.starts)) if op.axes is None else op.axes
    steps = [1] * len(op.starts) if op.steps is None else op.steps
    if not op.starts:
        return x
    return g("Slice", x, g.sizes(op.starts), g.sizes(op.ends), g.integers(axes), g.integers(steps))


@rule("Pad")
def pad(g: GraphWriter, op: Pad, x: str) -> str:
    if op.mode == "wrap":
        g.opset = max(g.opset, 19)
    borders = list(op.borders(g.shape(x)))
    first = g.channels_first.get(x)
    if first is not None:
        borders = [borders[axis] for axis in to_first(len(borders))]
    pads = g.sizes([*(before for before, _ in borders), *(after for _, after in borders)])
    fill = g.number(op.constant_value, g.dtype(x)) if op.mode == "constant" else ""
    y = g("Pad", first or x, pads, fill, mode=op.mode)
    return g.last(y, op.outputs[0]) if first else y


@rule("Concat")
def concat(g: GraphWriter, op: Concat, *inputs: str) -> str:
    """Images that are all there with channels first are joined as such."""
    firsts = [g.channels_first[x] for x in inputs if x in g.channels_first]
    if not firsts or len(firsts) < len(inputs):
        return g("Concat", *inputs, axis=op.axis)
    rank = g.types[inputs[0]].rank
    return g.last(g("Concat", *firsts, axis=to_first(rank).index(op.axis % rank)), op.outputs[0])
