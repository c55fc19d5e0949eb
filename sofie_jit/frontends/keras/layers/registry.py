"""The table of layers: for each class of Keras the function that translates it, and further facts about the layer.

A handler translates one call of a layer to operators. The facts about the layer are in its decorator::

    @layer(
        "Dense", weights=lambda c: ("kernel", "bias") if c["use_bias"] else ("kernel",), mask=masks.passes,
        promotes=True, defaults={"activation": "linear", "use_bias": True}, renamed={"output_dim": "units"},
    )
    def dense(call: LayerCall, x: Symbol) -> Symbol:
        units = call.config["units"]
        kernel = call.constant(call.weight("kernel", (x.shape[-1], units)), "kernel")
        ...
        return ops.linear(x, kernel)

The handler gets a :class:`~sofie_jit.frontends.keras.layers.call.LayerCall` and the arguments that Keras passes to the
layer, with Symbols for tensors. Merging layers get one list; recurrent layers get given states as ``initial_state``.
A layer is refused if its config has an option that the handler does not read and that could influence inference, or if
it is called with arguments that the handler does not have.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cache, cached_property
from typing import Any

from sofie_jit.errors import ModelFileError, OptionError, UnsupportedLayerError
from sofie_jit.frontends.keras import refusals
from sofie_jit.frontends.keras.graph import Layer
from sofie_jit.frontends.wording import refusal
from sofie_jit.records import dataclass

OPTIONAL = "?"
"""The end of a name of a weight that a layer may lack, depending on the shape of its input."""

Handler = Callable[..., Any]
Options = Mapping[str, Any]
WeightNames = tuple[str, ...]
MaskRule = Callable[..., Any]
"""One of the functions of :mod:`sofie_jit.frontends.keras.masks`: what becomes of the mask of the first argument."""

IGNORED_OPTIONS = (
    "name", "trainable", "dtype", "autocast", "batch_shape", "seed", "quantization_config",
    "*_initializer", "*_regularizer", "*_constraint", "unit_forget_bias", "dropout", "recurrent_dropout",
    "implementation", "unroll", "momentum", "renorm_momentum", "renorm_clipping", "synchronized",
    "bounding_box_format",
)  # fmt: skip
"""Options of Keras's layers that have no influence on inference."""

DTYPES = (None, "float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16",
          "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")  # fmt: skip
"""Supported dtype policies, that is, all but the quantized ones. Half precision is computed in float32."""


@dataclass(frozen=True)
class Entry:
    """A handler and the facts about its layer; see :func:`layer`."""

    handler: Handler
    weights: Callable[[Options], WeightNames] = lambda config: ()
    mask: MaskRule | None = None
    defaults: Options = field(default_factory=dict)
    keras_2_defaults: Options = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    modernize: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    arguments: tuple[str, ...] = ()
    promotes: bool = False
    refuses: str = ""
    builtin: bool = True

    def defaults_of(self, keras_major: int) -> dict[str, Any]:
        """The options that a file of this version of Keras may leave out, with their values."""
        return {**self.defaults, **(self.keras_2_defaults if keras_major < 3 else {})}

    @cached_property
    def signature(self) -> inspect.Signature:
        """The signature of the handler."""
        return inspect.signature(self.handler)

    def takes(self, parameter: str) -> bool:
        """Whether the handler has a parameter of this name, and thereby uses what Keras passes as it."""
        return parameter in self.signature.parameters


_entries: dict[str, Entry] = {}
_set_aside: dict[str, Entry] = {}
"""Entries of add-on packages whose place a user's has taken."""
NO_ENTRY = Entry(lambda call: None)
"""Stands for the entry of a class that has none."""


def layer(
    *class_names: str,
    weights: WeightNames | Callable[[Options], WeightNames] = (),
    mask: MaskRule | None = None,
    defaults: Options | Callable[[str], Options] | None = None,
    keras_2_defaults: Options | None = None,
    renamed: Mapping[str, str] | None = None,
    modernize: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    arguments: tuple[str, ...] = (),
    promotes: bool = False,
    refuses: str = "",
    builtin: bool = True,
) -> Callable[[Handler], Handler]:
    """Decorates the handler of one or several classes of Keras.

    Parameters
    ----------
    *class_names
        "Dense" for layers of Keras, "package>Class" for custom ones, "ops.Add" for operations of ``keras.ops``.
    weights
        The names of the layer's weights in Keras's order, those of a sublayer with its attribute in front
        ("cell/kernel"): a tuple, or a function from the config to a tuple.
    mask
        The effect on the mask of the first argument, a function of :mod:`sofie_jit.frontends.keras.masks`. None: the
        output has no mask if the handler has a parameter ``mask``; otherwise a layer whose input has a mask is refused.
    defaults
        The values of options that a config leaves out: a dict, or a function from the class name to one.
    keras_2_defaults
        Values of Keras 1 and 2 where they differ from ``defaults``.
    renamed
        Old names of options -> their names in Keras 3, for names that mean something else in other classes.
    modernize
        A function that converts older options to those of Keras 3, for conversions that ``renamed`` cannot express.
    arguments
        Of an operation: the arguments of its constructor, which are its config.
    promotes
        Whether Keras computes the layer in floating point if it gets integers. For others it fails, or rounds.
    refuses
        The unsupported options of the layer, for the documentation.
    builtin
        Whether the class is Keras's own. Others are found under their bare name whatever their package is.

    Raises OptionError if a class already has a handler.
    """

    def register(handler: Handler) -> Handler:
        for name in class_names:
            _make_way(name, handler)
        names = weights if callable(weights) else lambda config: weights
        for name in class_names:
            found = defaults(name) if callable(defaults) else defaults or {}
            _entries[name] = Entry(
                handler, names, mask, found, keras_2_defaults or {}, renamed or {}, modernize, arguments, promotes,
                refuses, builtin,
            )  # fmt: skip
        return handler

    return register


def _make_way(name: str, handler: Handler) -> None:
    """Sets an earlier handler of an add-on package aside for a user's; raises OptionError for other earlier ones."""
    entry = _entries.get(name)
    if entry is None:
        return
    if entry.builtin or not _is_ours(entry.handler) or _is_ours(handler):
        raise OptionError(
            f"'{name}' already has a handler, {entry.handler.__module__}.{entry.handler.__qualname__}; "
            f"{handler.__module__}.{handler.__qualname__} cannot be registered for it too"
        )
    _set_aside[name] = entry


def remove(name: str) -> None:
    """Removes the handler that a user has registered; one that it replaced is used again. Raises KeyError."""
    del _entries[name]
    if name in _set_aside:
        _entries[name] = _set_aside.pop(name)


def _is_ours(handler: Handler) -> bool:
    return (handler.__module__ or "").startswith(f"{__package__}.")  # it is None for a function of exec


def entries() -> dict[str, Entry]:
    """All entries by class name. First imports all modules of this folder; raises if the import of one fails."""
    _import_handlers()
    return _entries


@cache
def _import_handlers() -> None:
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")


def find(layer: Layer) -> Entry | None:
    """The entry of a layer, None if there is none.

    A class from another package is never taken for a Keras class of the same name.
    """
    table = entries()
    if layer.package and (entry := table.get(f"{layer.package}>{layer.class_name}")):
        return entry
    entry = table.get(layer.class_name)
    return None if entry and entry.builtin and layer.package else entry


def find_builtin(class_name: str) -> Entry:
    """The entry of a class of Keras; an empty one if there is none."""
    entry = entries().get(class_name)
    return entry if entry and entry.builtin else NO_ENTRY


def find_described(package: str, class_name: str) -> Entry | None:
    """The entry of a class of Keras, or of another package that :mod:`layers` has; None for all other classes.

    Their options are modernized; those of classes that users have registered stay as they are.
    """
    table = entries()
    entry = table.get(f"{package}>{class_name}" if package else class_name)
    if package and entry is None and (bare := table.get(class_name)) and not bare.builtin:
        entry = bare
    return entry if entry and _is_ours(entry.handler) else None


def translator(layer: Layer) -> str:
    """Whose function translates a layer: ours, or one that a user has registered; for messages."""
    entry = find(layer)
    ours = entry is None or _is_ours(entry.handler)
    return "sofie_jit" if ours else f"the function that is registered for {layer.class_name}"


def check_policy(layer: Layer) -> None:
    """Raises UnsupportedLayerError for a layer with a dtype policy that is not supported."""
    if layer.config.get("dtype") not in DTYPES:
        raise UnsupportedLayerError(
            refusal(
                layer,
                f"the dtype policy {layer.config['dtype']!r} is not supported",
                "save the model with 'float32', before it is quantized",
            )
        )


def weight_names(layer: Layer) -> WeightNames:
    """The names of a layer's weights in Keras's order.

    Raises UnsupportedLayerError if the layer, or a layer that it wraps, has no handler, and ModelFileError if its
    config lacks an option that the names depend on.
    """
    entry = find(layer)
    if entry is None:
        if not layer.package and (layer.class_name in refusals.WITHOUT_WEIGHTS or layer.class_name.startswith("ops.")):
            return ()
        raise UnsupportedLayerError(refusals.of_class(layer))
    check_policy(layer)  # a quantized layer has other weights
    try:
        return (*entry.weights(layer.config), *_activation_weights(layer))
    except UnsupportedLayerError as error:  # a layer that it wraps, which replace= cannot reach by itself
        text = re.sub(r"replace=\{[^:{}]*: function\}", f"replace={{{layer.name!r}: function}}", error.problems[0])
        raise UnsupportedLayerError(f"{layer}: {text}") from None
    except KeyError as error:
        raise ModelFileError(f"{layer}: its config lacks the option {error}") from error
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelFileError(f"{layer}: its config is not one that Keras writes ({error})") from error


def _activation_weights(layer: Layer) -> WeightNames:
    """The weights of a layer, such as PReLU, that another has as its activation; they come after its own."""
    spec = layer.config.get("activation")
    if not isinstance(spec, Mapping) or "saved_class" not in spec:
        return ()
    return tuple(f"activation/{name}" for name in weight_names(layer.sublayer("activation", spec)))
