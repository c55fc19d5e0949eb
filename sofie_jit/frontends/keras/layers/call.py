"""LayerCall: one call of a layer, as its handler sees it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, UnsupportedLayerError, WeightsError, counted
from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.keras import refusals
from sofie_jit.frontends.keras.graph import Layer, LayerNode, TensorRef, flatten, map_leaves
from sofie_jit.frontends.keras.layers.registry import IGNORED_OPTIONS, Entry, check_policy, find
from sofie_jit.frontends.keras.masks import Masks, hand_on, pass_masks
from sofie_jit.frontends.replacement import call_replacement
from sofie_jit.frontends.wording import replacing
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators.elementwise import Cast

_IGNORED = re.compile("|".join(map(fnmatch.translate, IGNORED_OPTIONS)))


class Config(Mapping[str, Any]):
    """The options of a layer; remembers which of them were read."""

    def __init__(self, options: Mapping[str, Any]):
        self._options = options
        self._read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return self._options[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def ignore(self, *keys: str) -> None:
        """Declares that ``keys`` have no influence on inference."""
        self._read.update(keys)

    def unread(self) -> dict[str, Any]:
        """Options that were not read although they could have an influence and are not None, False or empty."""
        return {
            key: value
            for key, value in self._options.items()
            if key not in self._read
            and not _IGNORED.match(key)
            and not (value is None or value is False or value in ("", [], {}))
        }


class LayerCall(NodeCall):
    """One call of a layer: its options and weights, and the network that it is translated to.

    ``layer`` is the layer, ``builder`` the builder of the network, ``masks`` has the masks of its tensors, ``replace``
    the functions that take the place of layers by name.
    """

    def __init__(
        self,
        layer: Layer,
        builder: Builder,
        masks: Masks | None = None,
        replace: Mapping[str, Callable[..., Any]] | None = None,
    ):
        super().__init__(layer.name, str(layer), builder)
        self.layer = layer
        self.replace = replace or {}
        self.masks = Masks() if masks is None else masks
        self.config = Config(layer.config)

    @property
    def dtype(self) -> str:
        """The element type that the layer computes in: float64 if its dtype policy is that, else float32.

        Old files have no policies; in them, the type of the layer's weights decides.
        """
        policy = self.layer.config.get("dtype")
        double = policy == "float64" or (policy is None and any(w.dtype == "f8" for w in self.layer.weights.values()))
        return "float64" if double else "float32"

    def weight(self, name: str, shape: Sequence[int | None] | None = None) -> np.ndarray:
        """The weight ``name`` of the layer, converted to :attr:`dtype` if it is floating point.

        ``shape`` is the shape it must have, with None for an axis of any size. Raises WeightsError for another shape,
        and if the layer has no such weight.
        """
        if name not in self.layer.weights:
            has = ", ".join(self.layer.weights) or "none"
            raise WeightsError(f"{self.layer}: needs a weight '{name}', but its weights are: {has}")
        array = self.layer.weights[name]
        if shape is not None and not (
            len(shape) == array.ndim and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
        ):
            raise WeightsError(
                f"{self.layer}: weight '{name}' has shape {array.shape} in the file, the layer needs "
                f"({', '.join('any' if n is None else str(n) for n in shape)})"
            )
        if array.dtype.kind == "f" and array.dtype != self.dtype:
            with np.errstate(over="ignore"):  # numbers too large for float32 become infinity, as in Keras
                array = self.layer.weights[name] = array.astype(self.dtype)  # stored, so that all calls share it
        return array

    def sublayer(self, path: str, spec: Mapping[str, Any]) -> LayerCall:
        """A call of the layer that this layer wraps as attribute ``path``; ``spec`` describes it in the config."""
        return LayerCall(self.layer.sublayer(path, spec), self.builder, self.masks, self.replace)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the layer's handler. Raises UnsupportedLayerError if there is none, or if it refuses the layer."""
        if self.layer.name in self.replace:
            return self._replaced(self.replace[self.layer.name], args, kwargs)
        entry = find(self.layer)
        if entry is None:
            raise UnsupportedLayerError(refusals.of_class(self.layer))
        check_policy(self.layer)
        args, kwargs = self._arguments(entry, args, kwargs)
        mask = pass_masks(self, entry, args, kwargs)
        try:
            entry.signature.bind(self, *args, **kwargs)
        except TypeError as error:
            self.refuse(f"called with {_describe(args, kwargs)}, which is not supported ({error})")
        outer, self.builder.origin = self.builder.origin, str(self.layer)
        result = self._run(entry, args, kwargs)
        result = hand_on(self, entry, args[0] if args else None, mask, result)
        self.builder.origin = outer
        if unread := self.config.unread():
            options = ", ".join(f"{key}={value!r}" for key, value in unread.items())
            self.refuse(f"the option {options} is not supported")
        return result

    def _replaced(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The Symbols that a user's function returns in place of the layer; its exceptions reach the user."""
        given = {key: value for key, value in kwargs.items() if key not in ("training", "mask") and value is not None}
        outer, self.builder.origin = self.builder.origin, f"{self.layer}, replaced"
        try:
            result = call_replacement(self.layer, function, args, given, flatten)
        except Exception as error:
            raise ReplacementError(error) from error
        self.builder.origin = outer
        return result

    def _arguments(
        self, entry: Entry, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the handler: tensors of the layer's dtype, without ``training`` and without None."""
        if self.layer.keras_major >= 3:  # at inference, its models call all layers with training=False
            kwargs.pop("training", None)
        if not entry.takes("training") and kwargs.pop("training", False) and acts_in_training(self.layer):
            remedies = "save the model without it", replacing(self.name)
            self.refuse("called with training=True, while only inference is supported", *remedies)
        if not args and "inputs" in kwargs:
            args = (kwargs.pop("inputs"),)
        args = tuple(self._autocast(value) for value in args)
        return args, {key: self._autocast(value) for key, value in kwargs.items() if value is not None}

    def _run(self, entry: Entry, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The handler's result; integers are converted to floating point if Keras does so for this layer."""
        try:
            return entry.handler(self, *args, **kwargs)
        except DtypeError:
            floats = tuple(self._to_floating(value) for value in args)
            if floats == args or not entry.promotes:
                raise
            return entry.handler(self, *floats, **kwargs)

    def _autocast(self, value: Any) -> Any:
        """``value`` with floating-point tensors converted to the layer's dtype, as Keras does for layers."""
        if isinstance(value, Mapping):
            return {key: self._autocast(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._autocast(item) for item in value)
        cast = (
            isinstance(value, Symbol)
            and value.dtype in ("float32", "float64")
            and value.dtype != self.dtype
            and "dtype" in self.layer.config
            and not self.layer.class_name.startswith("ops.")  # operations take tensors as they are
            and self.layer.config.get("autocast") is not False
        )
        return self._converted(value) if cast else value

    def _to_floating(self, value: Any) -> Any:
        """``value`` with integer tensors converted to the layer's dtype."""
        if isinstance(value, (list, tuple)):
            return type(value)(self._to_floating(item) for item in value)
        return self._converted(value) if isinstance(value, Symbol) and not value.dtype.startswith("float") else value

    def _converted(self, x: Symbol) -> Symbol:
        return self.masks.attach(self.add(Cast(to=self.dtype), x), self.masks.of(x))


ONLY_DROPOUT = frozenset({
    "LSTM", "GRU", "SimpleRNN", "RNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells", "ConvLSTM1D",
    "ConvLSTM2D", "ConvLSTM3D", "Bidirectional", "TimeDistributed", "Attention", "AdditiveAttention",
    "MultiHeadAttention", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
})  # fmt: skip
"""Layers that do nothing but drop elements in training."""


def acts_in_training(layer: Layer) -> bool:
    """Whether a layer may compute something else in training: all do but those that have nothing to drop."""
    if layer.package or layer.class_name not in ONLY_DROPOUT:
        return True
    parts = [layer.config.get(option) for option in ("layer", "backward_layer", "cell")]
    inner = [part for part in (*parts, *(layer.config.get("cells") or ())) if isinstance(part, Mapping)]
    return any(layer.config.get(option) for option in ("dropout", "recurrent_dropout", "rate")) or any(
        acts_in_training(layer.sublayer("", part)) for part in inner
    )


class ReplacementError(Exception):
    """Carries the exception that a function in ``replace=`` has raised, ``error``, to the user as it is."""

    def __init__(self, error: Exception):
        super().__init__(str(error))
        self.error = error


def run_nodes(nodes: Sequence[LayerNode], results: dict[int, list[Any]], call: LayerCall) -> dict[int, list[Any]]:
    """The tensors of all ``nodes`` by their index, computed in order; ``results`` has those of the inputs at -1.

    ``call`` is that of the layer that wraps them.
    """
    for index, node in enumerate(nodes):

        def symbol(leaf: Any) -> Any:
            return results[leaf.node][leaf.index] if isinstance(leaf, TensorRef) else leaf

        args, kwargs = map_leaves(symbol, node.args), map_leaves(symbol, node.kwargs)
        results[index] = flatten(LayerCall(node.layer, call.builder, call.masks, call.replace)(*args, **kwargs))
    return results


def _describe(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """``2 arguments, mask=``: the arguments of a call in words."""
    words = [counted(len(args), "argument"), *(f"{key}=" for key in kwargs)]
    return ", ".join(words)
