"""Zero padding before a convolution or a MaxPool becomes the padding of that operator."""

from __future__ import annotations

import dataclasses
from typing import Any

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.codegen.lowered.pool import ZeroPaddedMaxPool
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.pool import MaxPool
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import converted


def absorb_padding(rmodel: RModel) -> RModel:
    """Adds the ``pads`` of a Pad of spatial axes to the Conv or MaxPool after it, which then reads the Pad's input.

    Pads whose output is no longer used stay in the model; :func:`eliminate_dead_code` removes them.
    """
    new = rmodel.copy()
    padded = {op.outputs[0]: op for op in new.operators if isinstance(op, Pad) and _puts_zeros(op)}
    for index, op in enumerate(new.operators):
        pad = padded.get(op.inputs[0]) if op.inputs else None
        if pad is None or not isinstance(op, (FusedConv, MaxPool)) or op.auto_pad not in ("NOTSET", "VALID"):
            continue
        if isinstance(op, MaxPool) and (any(op.pads or []) or op.ceil_mode):  # MaxPool ignores its own padding
            continue
        rank = len(pad.pads) // 2
        spatial = slice(1, rank - 1) if op.layout == "NHWC" else slice(2, rank)
        before, after = pad.pads[:rank], pad.pads[rank:]
        pads = [*before[spatial], *after[spatial]]
        if sum(pads) != sum(pad.pads):  # it pads the batch or the channels too
            continue
        pads = [a + b for a, b in zip(pads, op.pads or [0] * len(pads), strict=True)]
        changes: dict[str, Any] = {"inputs": [pad.inputs[0], *op.inputs[1:]], "pads": pads, "auto_pad": "NOTSET"}
        if isinstance(op, MaxPool):
            new.operators[index] = converted(op, ZeroPaddedMaxPool, **changes)
        else:
            new.operators[index] = dataclasses.replace(op, **changes)
    return new


def _puts_zeros(pad: Pad) -> bool:
    """Whether ``pad`` adds zeros and removes no elements."""
    is_border = all(isinstance(size, int) and size >= 0 for size in pad.pads)
    return pad.mode == "constant" and pad.constant_value == 0 and pad.axes is None and is_border
