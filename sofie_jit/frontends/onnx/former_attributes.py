"""Attributes that later versions of an operator take as inputs.

Some programs keep writing such an attribute in files of later opsets. What it means is clear, so that the node is read
in the last form of the operator that has it.
"""

from __future__ import annotations

from sofie_jit.frontends.onnx.model import Node

REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")

LAST_VERSION: dict[str, tuple[int, tuple[str, ...]]] = {
    "Clip": (10, ("min", "max")),
    "Dropout": (11, ("ratio",)),
    "Pad": (10, ("pads", "value")),
    "ReduceSum": (12, ("axes",)),
    "Slice": (9, ("starts", "ends")),
    "Split": (12, ("split",)),
    "Squeeze": (12, ("axes",)),
    "TopK": (9, ("k",)),
    "Unsqueeze": (12, ("axes",)),
    "Upsample": (8, ("scales",)),
    **{f"Reduce{name}": (17, ("axes",)) for name in REDUCTIONS},
}
"""Operator -> the last version of its form with attributes, and attributes that only this form has."""


def version_of(node: Node) -> int:
    """The version of the operator set whose form a node has: that of the model, or that of its attributes.

    >>> from sofie_jit.frontends.onnx.model import Attribute
    >>> axes = Attribute("INTS", [1])
    >>> version_of(Node("s", "ReduceSum", "", "", 21, ["x"], ["y"], {"axes": axes}))
    12
    """
    if node.domain or node.op_type not in LAST_VERSION:
        return node.version
    last, attributes = LAST_VERSION[node.op_type]
    return min(node.version, last) if any(name in node.attributes for name in attributes) else node.version
