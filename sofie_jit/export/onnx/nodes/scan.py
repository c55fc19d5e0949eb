"""The node Scan: a loop over an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.ir.types import TensorType

Step = Callable[[list[str], list[str]], tuple[list[str], list[str]]]


def scan(
    g: GraphWriter,
    states: Sequence[tuple[str, TensorType]],
    slices: Sequence[tuple[str, TensorType]],
    step: Step,
    outputs: Sequence[TensorType],
    *,
    axis: int = 0,
    reverse: bool = False,
    reverse_output: bool = False,
) -> list[str]:
    """A loop over ``axis`` of tensors: the last states, then the outputs of all steps, joined along ``axis``.

    ``states``: their values at the start and types. ``slices``: the tensors, and the types of a slice. ``step`` gets
    the names of states and slices, and returns those of the next states and of its outputs, of the types ``outputs``.
    ``reverse`` loops from the end, ``reverse_output`` joins the outputs from the last step to the first.
    """
    kinds = [kind for _, kind in states]
    with g.body([*kinds, *(kind for _, kind in slices)]) as body:
        names = [name for name, _ in body.inputs]
        after, results = step(names[: len(states)], names[len(states) :])
        body.outputs = [*zip(after, kinds, strict=True), *zip(results, outputs, strict=True)]
    found = g.several(
        len(body.outputs),
        "Scan",
        *(name for name, _ in states),
        *(name for name, _ in slices),
        body=body,
        num_scan_inputs=len(slices),
        scan_input_axes=[axis] * len(slices),
        scan_input_directions=[int(reverse)] * len(slices),
        scan_output_axes=[axis] * len(results) or None,
        scan_output_directions=[int(reverse_output)] * len(results) or None,
    )
    return list(found)
