"""Masks of Keras: which tensors have one, and what layers do with them.

A mask is a bool tensor that belongs to another tensor: it is True at the steps that count, and has the first axes of
that tensor. Keras passes masks on implicitly; here :class:`Masks` has them, one table for each translation, and

* a layer whose ``call`` has an argument ``mask``, or ``query_mask``, gets the mask of its tensor, or of ``query``: its
  handler has a parameter of that name (:func:`pass_masks`);
* the mask of a layer's first argument becomes that of its output by the layer's rule (:func:`hand_on`), which stands
  in the ``@layer`` line of its handler. A mask that reaches a layer without a rule is refused.

The rules are those of Keras 3, unless they look at ``layer.keras_major``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn, Protocol

from sofie_jit.frontends.keras.graph import Layer, flatten, map_leaves
from sofie_jit.frontends.keras.layers.registry import Entry, MaskRule
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol


class Masks:
    """The masks of the tensors of one translation.

    They belong to Symbols, not to the tensors of the RModel: a layer that returns its input may give it another mask.
    """

    def __init__(self) -> None:
        self._of: dict[Symbol, Symbol] = {}

    def of(self, x: Symbol) -> Symbol | None:
        """The mask of ``x``; None if it has none."""
        return self._of.get(x)

    def of_all(self, structure: Any) -> Any:
        """``structure`` with each Symbol replaced by its mask, and all else by None; None if there is no mask in it."""

        def masks(part: Any) -> Any:
            if isinstance(part, (list, tuple)):
                return [masks(item) for item in part]
            return self.of(part) if isinstance(part, Symbol) else None

        found = masks(structure)
        return None if all(mask is None for mask in flatten(found)) else found

    def attach(self, x: Symbol, mask: Symbol | None) -> Symbol:
        """Gives ``x`` the mask ``mask``, or none, and returns it."""
        if mask is None:
            self._of.pop(x, None)
        else:
            self._of[x] = mask
        return x


class MaskedCall(Protocol):
    """The part of :class:`~sofie_jit.frontends.keras.layers.call.LayerCall` that this module uses."""

    layer: Layer
    masks: Masks

    def refuse(self, reason: str) -> NoReturn:
        """Raises UnsupportedLayerError."""


# -- rules ---------------------------------------------------------------------------------------------------------
#
# Functions of the call, its first argument, the mask of that, in the same structure, and the outputs. They return the
# mask of the output, or a list of masks. The rule of a single layer is next to its handler.


def passes(call: MaskedCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    """The output has the mask of the input."""
    return mask


def passes_since_keras_3(call: MaskedCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    """The output has the mask of the input in files of Keras 3, else none."""
    return mask if call.layer.keras_major >= 3 else None


def stops(call: MaskedCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    """The output has no mask: Keras warns that it is lost, or the layer has used it."""
    return None


def stays(call: MaskedCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    """A new tensor has no mask; an input that is returned, as Keras does where nothing is to compute, keeps its own."""
    return call.masks.of_all(outputs)


def all_of(*masks: Symbol) -> Symbol:
    """The logical and of one or more masks, with broadcasting."""
    return functools.reduce(ops.logical_and, masks)


LARGE = 1e9
"""The number that Keras subtracts from masked scores, or the negative of the score that replaces them."""


def lessened(scores: Symbol, mask: Symbol) -> Symbol:
    """Scores, less a large number where the mask is False; a mask of numbers scales that number, as in Keras 2."""
    if mask.dtype == "bool":
        return ops.where(mask, scores, ops.subtract(scores, LARGE))
    return ops.add(scores, ops.multiply(ops.subtract(1.0, ops.cast(mask, scores.dtype)), -LARGE))


# -- calls ---------------------------------------------------------------------------------------------------------


def rule_of(entry: Entry) -> MaskRule | None:
    """The rule of a layer; None if the layer's effect on masks is not known.

    A custom layer whose handler uses a mask is taken to lose it, unless the handler attaches one. A handler without
    a parameter ``mask`` says nothing about masks.
    """
    return entry.mask or (stops if entry.takes("mask") else None)


def pass_masks(call: MaskedCall, entry: Entry, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Adds to ``kwargs`` the masks that Keras passes to the layer; returns the mask of its first argument."""
    names = list(entry.signature.parameters)[1:]
    tensors = {
        name: value
        for name, value in [*zip(names, args, strict=False), *kwargs.items()]
        if any(isinstance(leaf, Symbol) for leaf in flatten(value))
    }
    single = len(tensors) == 1 or (tensors and call.layer.keras_major < 3)
    masked = {"mask": next(iter(tensors.values()))} if single else {}
    if len(tensors) > 1:
        masked |= {f"{name}_mask": value for name, value in tensors.items()}
    for name, value in masked.items():
        mask = call.masks.of_all(value)
        if entry.takes(name) and kwargs.get(name) is None and mask is not None:
            kwargs[name] = mask
    return kwargs["mask"] if kwargs.get("mask") is not None else call.masks.of_all(args[0] if args else None)


def hand_on(call: MaskedCall, entry: Entry, inputs: Any, mask: Any, outputs: Any) -> Any:
    """``outputs`` with the masks that the layer's rule makes of ``mask``, that of ``inputs``, its first argument.

    A mask that the handler has attached to an output stays. Refuses, through ``call``, if there is no rule.
    """
    rule = rule_of(entry)
    symbols = _symbols(outputs)
    returned = set(_symbols(inputs)) if rule else set()  # these have the mask that went in
    unsettled = {y for y in symbols if call.masks.of(y) is None or y in returned}
    if mask is None or not unsettled:
        return outputs
    if rule is None:
        call.refuse(
            "its input has a mask (from Masking, or an Embedding with mask_zero=True), and it is not known what this "
            "layer does with it; save the model without the mask, or, for a custom layer, register a handler that has "
            "a parameter 'mask'"
        )
    masks = dict(zip(symbols, flatten(rule(call, inputs, mask, outputs)), strict=False))

    def settled(leaf: Any) -> Any:
        if not isinstance(leaf, Symbol) or leaf not in unsettled or call.masks.of(leaf) is masks.get(leaf):
            return leaf
        return call.masks.attach(replace(leaf), masks.get(leaf))  # a new Symbol: the input keeps its mask

    return map_leaves(settled, outputs)


def _symbols(structure: Any) -> list[Symbol]:
    return [leaf for leaf in flatten(structure) if isinstance(leaf, Symbol)]
