"""What a layer handler is, and the table of all of them.

A handler turns one call of a Keras layer into operators::

    @layer("Dense", weights=lambda c: ("kernel", "bias") if c["use_bias"] else ("kernel",))
    def dense(call: LayerCall, x: Symbol) -> Symbol:
        units = call.config["units"]
        kernel = call.constant(call.weight("kernel", (x.shape[-1], units)), "kernel")
        ...
        return ops.linear(x, kernel)

It gets the arguments of the layer's call as Keras passes them (a merging layer one list, a recurrent layer with
given states a list or ``initial_state=``), tensors being Symbols. What it does not read of the layer's config must
be without influence on inference, or the layer is refused; the same holds for arguments it does not take.
"""

from __future__ import annotations

import fnmatch
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, ModelFileError, UnsupportedLayerError, WeightsError
from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.keras import masks, refusals
from sofie_jit.frontends.keras.build import nested
from sofie_jit.frontends.keras.dialects import MODELS
from sofie_jit.frontends.keras.graph import Call, Layer, Value, flatten, map_leaves
from sofie_jit.frontends.keras.weights import NON_TRAINABLE, attribute_paths
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators.elementwise import Cast

Handler = Callable[..., Any]
WeightNames = tuple[str, ...]

IGNORED_OPTIONS = (
    "name", "trainable", "dtype", "autocast", "batch_shape", "seed", "quantization_config",
    "*_initializer", "*_regularizer", "*_constraint", "unit_forget_bias", "dropout", "recurrent_dropout",
    "implementation", "unroll", "momentum", "renorm_momentum", "renorm_clipping", "synchronized",
)  # fmt: skip
"""Options of Keras layers that only training, or only Keras's own machinery, looks at."""

_IGNORED = re.compile("|".join(map(fnmatch.translate, IGNORED_OPTIONS)))


DTYPES = (None, "float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16",
          "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")  # fmt: skip
"""Policies a layer may have; the quantized ones are missing. Half precision is computed in float32."""


PROMOTING = ("Dense", "EinsumDense", "BatchNormalization", "LeakyReLU", "MultiHeadAttention", "GroupQueryAttention",
             "Activation", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D")  # fmt: skip
"""Layers that Keras computes in floating point if they are given integers. Others fail, or round their results."""


@dataclass(frozen=True)
class Entry:
    """A registered handler, the names of its weights as a function of the config, and whether it is for a Keras class.

    A class that is not Keras's own (``builtin`` False) is found under its bare name whatever its package.
    """

    handler: Handler
    weights: Callable[[Mapping[str, Any]], WeightNames]
    builtin: bool


_entries: dict[str, Entry] = {}


def layer(
    *class_names: str, weights: WeightNames | Callable[[Mapping[str, Any]], WeightNames] = (), builtin: bool = True
) -> Callable[[Handler], Handler]:
    """Register a function as the handler of the Keras classes ``class_names`` (``"package>Class"`` for custom ones).

    ``weights`` are the names of the layer's weights in Keras's order, those of a sublayer with its attribute in
    front (``"cell/kernel"``): a tuple, or a function from the config to one.
    Raises ValueError if a class already has a handler.
    """

    def register(handler: Handler) -> Handler:
        for name in class_names:
            if name in _entries:
                taken = _entries[name].handler
                raise ValueError(
                    f"'{name}' already has a handler, {taken.__module__}.{taken.__qualname__}; "
                    f"{handler.__module__}.{handler.__qualname__} cannot be registered for it too"
                )
        names = weights if callable(weights) else lambda config: weights
        _entries.update(dict.fromkeys(class_names, Entry(handler, names, builtin)))
        return handler

    return register


def entries() -> dict[str, Entry]:
    """All handlers by class name. Imports every module of this package first; a module that fails to import raises."""
    _import_handlers()
    return _entries


@cache
def _import_handlers() -> None:
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")


def find(layer: Layer) -> Entry | None:
    """The handler of a layer, None if there is none.

    A class from another package is never taken for a Keras class of the same name.
    """
    table = entries()
    if layer.package and (entry := table.get(f"{layer.package}>{layer.class_name}")):
        return entry
    entry = table.get(layer.class_name)
    return None if entry and entry.builtin and layer.package else entry


def _check_policy(layer: Layer) -> None:
    if layer.config.get("dtype") not in DTYPES:
        raise UnsupportedLayerError(
            f"{layer}: the dtype policy {layer.config['dtype']!r} is not translated; save the model with 'float32', "
            "before it is quantized"
        )


def weight_names(layer: Layer) -> WeightNames:
    """Names of a layer's weights in Keras's order.

    Raises UnsupportedLayerError if it, or a layer it wraps, has no handler, and ModelFileError if its config lacks
    what the names depend on.
    """
    entry = find(layer)
    if entry is None:
        raise UnsupportedLayerError(unknown_class(layer))
    _check_policy(layer)  # a quantized layer has other weights
    try:
        return tuple(entry.weights(layer.config))
    except KeyError as error:
        raise ModelFileError(f"{layer}: its config lacks the option {error}") from error
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelFileError(f"{layer}: its config is not what Keras writes ({error})") from error


def sublayer_weights(path: str, spec: Mapping[str, Any]) -> WeightNames:
    """Weight names of a wrapped layer or model as its wrapper lists them, ``path`` being the wrapper's attribute."""
    if spec["class_name"] in MODELS and not spec["package"]:
        return _model_weights(path, spec)
    layer = Layer(str(spec["config"].get("name", path)), spec["class_name"], spec["config"], spec["package"])
    return tuple(f"{path}/{name}" for name in weight_names(layer))


def _model_weights(path: str, spec: Mapping[str, Any]) -> WeightNames:
    """The same for a model: its layers' weights in order, but those that are not trained at the end."""
    model = nested(dict(spec), path)
    trainable = {id(leaf): trains for leaf, trains in model.leaves()}
    names = [
        (not trainable[id(leaf)] or name.rpartition("/")[2] in NON_TRAINABLE, f"{where}/{name}")
        for leaf, where in attribute_paths(model, f"{path}/")
        if leaf.class_name != "InputLayer"
        for name in weight_names(leaf)
    ]
    return tuple(name for _, name in sorted(names, key=lambda pair: pair[0]))


def unknown_class(layer: Layer) -> str:
    """The message for a layer without a handler."""
    if layer.package:
        return (
            f"{layer}: a custom class of '{layer.package}' has no translation; teach it with "
            f"sofie_jit.register_layer, give load(..., replace={{name: function}}), or cut the model before it with "
            "outputs="
        )
    operation = layer.class_name.removeprefix("ops.")
    if operation == layer.class_name and (reason := refusals.CLASSES.get(operation)):
        return f"{layer}: {reason}"
    if operation != layer.class_name and (reason := refusals.OPERATIONS.get(operation)):
        return (
            f"{layer}: {reason}; else give a function, load(..., replace={{'{layer.name}': function}}), or cut the "
            "model before it with outputs="
        )
    return f"{layer}: this class has no translation; cut the model before it with outputs="


class Config(Mapping[str, Any]):
    """A layer's options, remembering which of them were read."""

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
        """Declare that ``keys`` do not matter at inference."""
        self._read.update(keys)

    def unread(self) -> dict[str, Any]:
        """The options that were given a value, could matter, and were not looked at."""
        return {
            key: value
            for key, value in self._options.items()
            if key not in self._read
            and not _IGNORED.match(key)
            and not (value is None or value is False or value in ("", [], {}))
        }


class LayerCall(NodeCall):
    """One call of one layer, as its handler sees it."""

    def __init__(self, layer: Layer, builder: Builder):
        super().__init__(layer.name, str(layer), builder)
        self.layer = layer
        self.config = Config(layer.config)

    @property
    def dtype(self) -> str:
        """The element type the layer computes in: float64 if its policy says so, float32 for all others.

        Old files know no policies, then a weight's own type tells.
        """
        policy = self.layer.config.get("dtype")
        double = policy == "float64" or (policy is None and any(w.dtype == "f8" for w in self.layer.weights.values()))
        return "float64" if double else "float32"

    def weight(self, name: str, shape: Sequence[int | None] | None = None) -> np.ndarray:
        """The layer's weight ``name``, a float one in :attr:`dtype`.

        ``shape`` is the shape it must have, None standing for any size. Raises WeightsError.
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
            with np.errstate(over="ignore"):  # beyond float32's largest number is infinity, as for Keras
                array = self.layer.weights[name] = array.astype(self.dtype)  # kept, so that all calls share it
        return array

    def _autocast(self, value: Any) -> Any:
        """``value`` with floating-point tensors cast to the type the layer computes in, as Keras does for layers."""
        if isinstance(value, (list, tuple)):
            return type(value)(self._autocast(item) for item in value)
        cast = (
            isinstance(value, Symbol)
            and value.dtype in ("float32", "float64")
            and value.dtype != self.dtype
            and "dtype" in self.layer.config
            and not self.layer.class_name.startswith("ops.")  # bare operations take what comes
            and self.layer.config.get("autocast") is not False
        )
        return masks.attach(self.add(Cast(to=self.dtype), value), value.mask) if cast else value

    def _float(self, value: Any) -> Any:
        """``value`` with integer tensors cast to the type the layer computes in, to which Keras's arithmetic takes them
        where it is not defined for integers.
        """
        if isinstance(value, (list, tuple)):
            return type(value)(self._float(item) for item in value)
        if isinstance(value, Symbol) and value.dtype.startswith("int"):
            return masks.attach(self.add(Cast(to=self.dtype), value), value.mask)
        return value

    def sublayer(self, path: str, spec: Mapping[str, Any]) -> LayerCall:
        """A call of the layer that this layer wraps as attribute ``path``; ``spec`` is what its config has of it."""
        return LayerCall(self.layer.sublayer(path, spec), self.builder)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer's handler on Symbols. Raises UnsupportedLayerError if it has none, or refuses."""
        entry = find(self.layer)
        if entry is None:
            raise UnsupportedLayerError(unknown_class(self.layer))
        _check_policy(self.layer)
        augments = "training" in inspect.signature(entry.handler).parameters
        if not augments and kwargs.pop("training", False):
            self.refuse("called with training=True; only inference is translated, save the model without it")
        if not args and "inputs" in kwargs:
            args = (kwargs.pop("inputs"),)
        args = tuple(self._autocast(value) for value in args)
        kwargs = {key: self._autocast(value) for key, value in kwargs.items() if value is not None}
        mask = masks.given(self, entry.handler, args, kwargs)
        try:
            inspect.signature(entry.handler).bind(self, *args, **kwargs)
        except TypeError as error:
            self.refuse(f"called with {_describe(args, kwargs)}, which is not translated ({error})")
        outer, self.builder.origin = self.builder.origin, str(self.layer)
        try:
            result = entry.handler(self, *args, **kwargs)
        except DtypeError:
            floats = tuple(self._float(value) for value in args)
            if floats == args or self.layer.class_name not in PROMOTING:
                raise
            result = entry.handler(self, *floats, **kwargs)
        result = masks.hand_on(self, entry.handler, args[0] if args else None, mask, result)
        self.builder.origin = outer
        if unread := self.config.unread():
            options = ", ".join(f"{key}={value!r}" for key, value in unread.items())
            self.refuse(f"the option {options} is not translated")
        return result


def run_calls(calls: Sequence[Call], results: dict[int, list[Any]], builder: Builder) -> dict[int, list[Any]]:
    """The tensors of all ``calls`` in order, by number; ``results`` has those of the inputs as number -1."""
    for number, call in enumerate(calls):

        def symbol(leaf: Any) -> Any:
            return results[leaf.call][leaf.index] if isinstance(leaf, Value) else leaf

        args, kwargs = map_leaves(symbol, call.args), map_leaves(symbol, call.kwargs)
        results[number] = flatten(LayerCall(call.layer, builder)(*args, **kwargs))
    return results


def _describe(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """``2 tensors, mask=``: the arguments of a call in words."""
    words = [f"{len(args)} argument{'s' if len(args) != 1 else ''}", *(f"{key}=" for key in kwargs)]
    return ", ".join(words)
