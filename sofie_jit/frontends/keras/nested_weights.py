"""The order of the weights of a nested model in an .h5 file, which keeps them in one list.

Keras has written the trainable weights first, or all in the order of the layers, and the flags may have changed between
building and saving. The names of the weights in the file tell which of the possible orders it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sofie_jit.frontends.keras.graph import Layer

NON_TRAINABLE = ("moving_mean", "moving_variance", "mean", "variance", "count", "vector_u")
"""Weights that Keras counts as non-trainable; they are at the end of a nested model's group in an .h5 file."""

Slot = tuple[Layer, int, str]
"""A weight of the model: its layer, its position among the layer's weights, its name."""


def plausible_orders(slots: Sequence[tuple[Layer, int, str, bool]], stored: Sequence[str]) -> list[list[Slot]]:
    """The orders of ``slots`` that the names in the file, ``stored``, contradict least.

    The slots are in the order of the layers, each with whether its layer is trainable. There are several orders in the
    result if the names do not tell them apart.
    """
    return _least_contradicted(_possible_orders(slots), stored, {leaf.own_name for leaf, *_ in slots})


def _possible_orders(slots: Sequence[tuple[Layer, int, str, bool]]) -> list[list[Slot]]:
    """The different orders in which Keras may have written weights, each of them given with whether it is trained."""

    def frozen(name: str) -> bool:
        return name.rpartition("/")[2] in NON_TRAINABLE

    def order(key: Callable[[tuple[Layer, int, str, bool]], bool]) -> list[Slot]:
        return [(leaf, i, name) for leaf, i, name, _ in sorted(slots, key=key)]  # sorted() is stable

    candidates: list[list[Slot]] = []
    for candidate in (
        order(lambda slot: not slot[3] or frozen(slot[2])),
        order(lambda slot: frozen(slot[2])),
        order(lambda slot: False),
    ):
        if candidate not in candidates:
            candidates.append(candidate)
    return candidates


def _least_contradicted(candidates: list[list[Slot]], stored: Sequence[str], inner: set[str]) -> list[list[Slot]]:
    """The orders that the fewest names in the file contradict; ``inner`` are the names of the model's layers."""
    for contradicts in (_contradicts_layer, _contradicts_name):
        contradictions = [
            sum(contradicts(slot, name, inner) for slot, name in zip(candidate, stored, strict=True))
            for candidate in candidates
        ]
        least = min(contradictions)
        candidates = [c for c, number in zip(candidates, contradictions, strict=True) if number == least]
    return candidates


def _contradicts_layer(slot: Slot, stored: str, inner: set[str]) -> bool:
    """Whether a stored name ("enc/dense_1/kernel:0", "dense_1_W") names another layer of the model."""
    parts = stored.split("/")
    named = [part for part in parts[:-1] if part in inner]
    if not named:
        named = [name for name in inner if re.fullmatch(re.escape(name) + r"_[A-Za-z]+(_[a-z])?(:0)?", parts[-1])]
    return bool(named) and slot[0].own_name not in named


def _contradicts_name(slot: Slot, stored: str, _: set[str]) -> bool:
    """Whether a stored name ends in the name of another weight ("bias:0", "gamma")."""
    last = re.sub(r"(_\d+)?(:\d+)?$", "", stored.rpartition("/")[2])
    return last in _KNOWN and slot[2].rpartition("/")[2] in _KNOWN and last != slot[2].rpartition("/")[2]


_KNOWN = {"kernel", "bias", "recurrent_kernel", "embeddings", "gamma", "beta", "moving_mean", "moving_variance",
          "depthwise_kernel", "pointwise_kernel", "alpha", "vector_u"}  # fmt: skip
