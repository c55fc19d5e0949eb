"""Configs of Keras 1 and 2 -> configs of Keras 3, so that the other modules know one dialect.

:func:`modernize` translates a whole model. The spec of each layer becomes a dict with ``class_name``, ``package`` (''
for Keras's own classes), ``config`` (options with their names in Keras 3, absent ones filled in), ``saved_class`` (the
class name in the file), ``keras_major``, ``keras_version`` and ``backend``, and keeps the other keys (``name``,
``inbound_nodes``, ``build_config``).

Five things get names of their own, because their old names mean something else in Keras 3: ``hard_sigmoid_keras2``
(the activation of Keras 1 and 2, clip(0.2 x + 0.5)), ``bilinear_tensorflow1`` (how UpSampling2D interpolated with
TensorFlow 1), ``same_theano`` (how Theano padded), ``CuDNNLSTM``/``CuDNNGRU`` (another layout of weights), and
``ops.Add``, ... (operations of ``keras.ops``, unlike the layers with these names).

Rules for a single layer, such as defaults of its options, are in the ``@layer`` line of its handler.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.keras.config_values import decode, short
from sofie_jit.frontends.keras.layers.registry import NO_ENTRY, Entry, entries, find_described
from sofie_jit.frontends.keras.origin import Origin, origin_of

Spec = dict[str, Any]

MODELS = ("Functional", "Sequential")
"""Classes whose config is a graph of layers."""

CLASSES = {
    "Model": "Functional",
    "Network": "Functional",
    "Container": "Functional",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "AtrousConv1D": "Conv1D",
    "AtrousConv2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "DepthwiseConvolution2D": "DepthwiseConv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "UnifiedLSTM": "LSTM",
    "UnifiedGRU": "GRU",
    "TimeDistributedDense": "Dense",
    "GroupedQueryAttention": "GroupQueryAttention",  # its name in Python, which .h5 files have
}
"""Old class name -> the name in Keras 3."""

OPTIONS = {
    "batch_input_shape": "batch_shape",
    "input_dtype": "dtype",
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample": "strides",
    "subsample_length": "strides",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "atrous_rate": "dilation_rate",
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "consume_less": "implementation",
    "pool_length": "pool_size",
}
"""Old name of an option -> its name in Keras 3, for names that have the same meaning in all classes."""

COMBINED = {
    "kernel_size": (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3")),
}
"""Option -> the groups of old options that it replaces, in order."""

DROPPED = ("input_dim", "input_length", "input_shape", "forget_bias_init", "gamma_init", "beta_init", "fused",
           "virtual_batch_size", "adjustment", "weights", "use_cudnn", "rng_type")  # fmt: skip
"""Options without influence on inference, or that follow from the shapes of the weights (Embeddings keep input_dim)."""

VALUES: dict[str, dict[Any, Any]] = {
    "data_format": {"tf": "channels_last", "th": "channels_first", "default": "channels_last", None: "channels_last"},
    "implementation": {"cpu": 0, "mem": 1, "gpu": 2},
}
"""Option (by its name in Keras 3) -> old value -> value in Keras 3."""

ACTIVATION_OPTIONS = ("activation", "recurrent_activation", "intermediate_activation", "attention_activation")
NESTED_OPTIONS = (
    "layer", "forward_layer", "backward_layer", "cell", "cells", "layers", "token_embedding", *ACTIVATION_OPTIONS
)  # fmt: skip
"""Options that may have layers as values."""

TENSORFLOW_ACTIVATIONS = {"softmax_v2": "softmax", "log_softmax_v2": "log_softmax"}
"""Names in files of TensorFlow functions that were passed as activations -> names in Keras."""

OLD_ACTIVATIONS = {"hard_sigmoid": "hard_sigmoid_keras2"}
"""Activations whose meaning changed with Keras 3 -> the name of the old meaning."""

MERGE_CLASSES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
    "dot": "Dot",
    "cos": "Merge",
}
"""Mode of Keras 1's Merge layer -> the class in Keras 3."""


def modernize(model: Mapping[str, Any], keras_version: str = "", backend: str = "") -> Spec:
    """The spec of a saved model, ``{"class_name", "config", ...}``, in the dialect of Keras 3.

    ``backend`` is the one that the model was trained with, '' if it is unknown. Raises ModelFileError if a layer's
    config is not one that any Keras writes.
    """
    return _layer(model, origin_of(model, keras_version, backend))


def is_stateful(config: Any) -> bool:
    """Whether a config contains a layer that keeps its states from batch to batch, so that the batch size matters."""
    if isinstance(config, Mapping):
        return config.get("stateful") is True or any(map(is_stateful, config.values()))
    return isinstance(config, (list, tuple)) and any(map(is_stateful, config))


# -- one layer -----------------------------------------------------------------------------------------------------


def _layer(spec: Any, origin: Origin) -> Spec:
    """The spec of a layer or model, written by the Keras ``origin``."""
    if not isinstance(spec, Mapping) or not isinstance(spec.get("class_name"), str):
        raise ModelFileError(f"a layer should be a dict with a class_name, found {short(spec)}")
    package, class_name = _package(spec, origin)
    if not package and class_name == "GroupNormalization" and origin.is_before_group_normalization:
        package = "keras_contrib"
    if not package:
        class_name = CLASSES.get(class_name, class_name)
    config = spec.get("config")
    if isinstance(config, list) and not package and class_name in MODELS:  # Sequential up to Keras 2.1
        config = {"layers": config}
    if (custom := _custom_model(package, class_name, config)) and isinstance(config, Mapping):
        warnings.warn(
            f"model {config.get('name')!r} of the custom class {class_name} is read as the {custom} model in its "
            f"config; if {class_name} overrides call(), results differ",
            stacklevel=2,
        )
        spec = {**spec, "custom_class": class_name}
        package, class_name = "", custom
    if not isinstance(config, Mapping):
        raise ModelFileError(f"layer of class {class_name}: its config should be a dict, found {short(config)}")
    if not package and class_name in MODELS:
        class_name, options = _model(class_name, config, origin)
    else:
        options = {key: decode(value) for key, value in config.items()}
        entry = find_described(package, class_name)
        if not package or entry:
            class_name, options = _options(class_name, options, origin, entry or NO_ENTRY)
        else:
            options = _options_of_custom_class(options, origin)
    return {**spec, "class_name": class_name, "package": package, "config": options, "saved_class": spec["class_name"],
            "keras_major": origin.major, "keras_version": origin.version, "backend": origin.backend}  # fmt: skip


def _custom_model(package: str, class_name: str, config: Any) -> str:
    """The class of model that the config of a custom class describes, as if it had no methods of its own; '' if none.

    Classes that only override ``train_step`` have the config of a Functional or Sequential model.
    """
    known = not package and class_name in (*MODELS, "Merge")  # Keras 1's Merge has models as its layers
    if known or find_described(package, class_name) or not isinstance(config, Mapping):
        return ""
    if not isinstance(config.get("layers"), list) or not config["layers"]:
        return ""
    if not all(isinstance(layer, Mapping) and "class_name" in layer for layer in config["layers"]):
        return ""
    if {"input_layers", "output_layers"} <= set(config):
        return "Functional"
    return "Sequential" if set(config) <= {"name", "trainable", "dtype", "layers", "build_input_shape"} else ""


def _model(class_name: str, config: Mapping[str, Any], origin: Origin) -> tuple[str, dict[str, Any]]:
    """Class and config of a model."""
    layers = config.get("layers")
    if not isinstance(layers, list):
        raise ModelFileError(f"model '{config.get('name')}': its layers should be a list, found {short(layers)}")
    options = {**config, "layers": _named([_layer(layer, origin) for layer in layers])}
    first = options["layers"][0] if options["layers"] else None
    if class_name == "Sequential" and first and not first["package"] and "branches" in first["config"]:
        return "Functional", _without_branches(options)
    return class_name, options


def _named(layers: list[Spec]) -> list[Spec]:
    """``layers`` with names for those Sequential models that have none, as inside others before Keras 2.2.3."""
    taken = [layer["config"].get("name") for layer in layers]
    free = (name for number in count(1) if (name := f"sequential_{number}") not in taken)

    def named(layer: Spec) -> Spec:
        nameless = layer["class_name"] == "Sequential" and not layer["package"] and not layer.get("name")
        if not nameless or "name" in layer["config"]:
            return layer
        return {**layer, "config": {**layer["config"], "name": next(free)}}

    return [named(layer) for layer in layers]


def _package(spec: Mapping[str, Any], origin: Origin) -> tuple[str, str]:
    """Package, '' for Keras itself, and class name. A custom class is never mistaken for one of Keras."""
    class_name = spec["class_name"]
    registered = spec.get("registered_name")
    name = registered if isinstance(registered, str) and ">" in registered else class_name
    if ">" in name:
        package, _, class_name = name.rpartition(">")
        return package, class_name
    module = spec.get("module", "keras")  # .h5 files have no module
    if not isinstance(module, str):
        return "__main__", class_name
    if module.split(".")[0] not in ("keras", "tf_keras", "keras_core", "tensorflow", "builtins"):
        return module, class_name
    if ".ops." in module or ("module" not in spec and origin.major >= 3 and _is_operation(spec)):
        return "", f"ops.{class_name}"
    return "", class_name


def _is_operation(spec: Mapping[str, Any]) -> bool:
    """Whether a spec of an .h5 file is an operation of ``keras.ops``: layers have ``dtype``, and most ``trainable``.

    Some operations have an argument ``dtype``, too.
    """
    config, called = spec.get("config"), spec.get("inbound_nodes")
    if not isinstance(config, Mapping) or not called or {"trainable", "layers"} & set(config):
        return False
    operation = entries().get(f"ops.{spec['class_name']}")
    return "dtype" not in config or (operation is not None and "dtype" in operation.arguments)


def _options_of_custom_class(config: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """Options of a class whose meaning is not known: only layers among them are modernized."""
    options = dict(config)
    if "dtype" in options:
        options["dtype"] = _dtype(options["dtype"])
    for option in NESTED_OPTIONS:
        value = options.get(option)
        if isinstance(value, Mapping) and isinstance(value.get("config"), (Mapping, list)):
            options[option] = _nested(option, value, origin)
    return options


def _options(class_name: str, config: dict[str, Any], origin: Origin, layer: Entry) -> tuple[str, dict[str, Any]]:
    """Class and options of a layer with the entry ``layer``."""
    if class_name == "Merge":
        return _merge(config, origin)
    renamed = {**OPTIONS, **layer.renamed}
    kept = "input_dim" if class_name in ("Embedding", "ReversibleEmbedding") else None
    options = {renamed.get(key, key): value for key, value in config.items() if key == kept or key not in DROPPED}
    for option, groups in COMBINED.items():
        for group in groups:
            if all(key in options for key in group):
                options[option] = tuple(options.pop(key) for key in group)
    for option, values in VALUES.items():
        value = options.get(option)
        if option in options and isinstance(value, (str, type(None))):
            options[option] = values.get(value, value)
    defaults = layer.defaults_of(origin.major)
    if "data_format" in defaults:
        defaults["data_format"] = origin.data_format(class_name, config.get("name"), defaults["data_format"])
    options = {**defaults, **options}
    for option, meaning in (("padding", origin.padding), ("interpolation", origin.interpolation)):
        if option in options:
            options[option] = meaning(class_name, options[option])
    if class_name == "Conv2DTranspose" and "output_shape" in options:
        options["output_shape"] = origin.output_shape(options["strides"], options["output_shape"])
    if options.get("groups") == 1 and "groups" not in layer.defaults:
        del options["groups"]  # Keras 2 wrote it for all convolutions, depthwise and transposed ones too
    if "dtype" in options:
        options["dtype"] = _dtype(options["dtype"])
    for option in NESTED_OPTIONS:
        if option in options:
            options[option] = _nested(option, options[option], origin)
    return class_name, layer.modernize(options) if layer.modernize else options


def _nested(option: str, value: Any, origin: Origin) -> Any:
    """The value of an option that may be a layer, several, or the name of an activation."""
    if isinstance(value, (list, tuple)):
        return [_nested(option, item, origin) for item in value]
    if isinstance(value, Mapping) and option in ACTIVATION_OPTIONS:
        value = _function(value)
    if isinstance(value, Mapping):
        return _layer(value, origin)
    if option in ACTIVATION_OPTIONS:
        value = "linear" if value is None else TENSORFLOW_ACTIVATIONS.get(value, value)
        return OLD_ACTIVATIONS.get(value, value) if origin.major < 3 else value
    return value


def _function(value: Mapping[str, Any]) -> Any:
    """The name of a serialized function, with its package if it is not Keras's; a layer given as activation stays."""
    if set(value) == {"value"} or value.get("class_name") == "__lambda__":  # code instead of a name
        return "<lambda>"
    if value.get("class_name") != "function":
        return value
    registered = value.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        return registered
    module = value.get("module", "keras")
    builtin = isinstance(module, str) and module.split(".")[0] in ("keras", "tf_keras", "keras_core", "builtins")
    name = value.get("config")
    return name if builtin or not isinstance(name, str) else f"{module or '__main__'}>{name}"


def _dtype(value: Any) -> Any:
    """The name of a dtype or of a policy ("mixed_float16")."""
    if isinstance(value, Mapping):
        config = value.get("config")
        name = config.get("name") if isinstance(config, Mapping) else None
        return name if isinstance(name, str) else str(value.get("class_name"))
    return value


# -- Merge of Keras 1 ----------------------------------------------------------------------------------------------


def _merge(config: dict[str, Any], origin: Origin) -> tuple[str, dict[str, Any]]:
    """Class and options of a Merge; one whose mode is a custom function stays a Merge, which is not supported."""
    mode = config.get("mode", "sum")
    if config.get("mode_type", "raw") != "raw" or not isinstance(mode, str) or mode not in MERGE_CLASSES:
        return "Merge", config
    options: dict[str, Any] = {"name": config.get("name")}
    if isinstance(config.get("layers"), list):
        options["branches"] = [_layer(branch, origin) for branch in config["layers"]]
    if mode == "concat":
        options["axis"] = config.get("concat_axis", -1)
    if mode == "dot":
        options.update(axes=config.get("dot_axes", -1), normalize=False)
    if mode == "cos":
        options.update(axes=config.get("dot_axes", -1), mode=mode)
    return MERGE_CLASSES[mode], options


def _without_branches(sequential: dict[str, Any]) -> dict[str, Any]:
    """The Functional config of a Sequential that begins with a Merge of models, as Keras 1 had them.

    The layers of the branches become the model's own, which is how their weights are saved.
    """
    merge, *rest = sequential["layers"]
    layers: list[Spec] = []
    inputs: list[Any] = []
    ends: list[Any] = []
    for branch in merge["config"].pop("branches"):
        if branch["class_name"] == "Sequential" and not branch["package"]:
            branch = {**branch, "class_name": "Functional", "config": _chain(branch["config"]["layers"])}
        if branch["class_name"] != "Functional" or branch["package"]:
            raise ModelFileError(f"a Merge of models has a {branch['class_name']} among them; expected models")
        config = branch["config"]
        layers += config["layers"]
        inputs += config["input_layers"]
        ends += config["output_layers"]
    return {**sequential, **_chain([merge, *rest], layers, inputs, ends)}


def _chain(
    specs: list[Spec], layers: Sequence[Spec] = (), inputs: Sequence[Any] = (), ends: Sequence[Any] = ()
) -> dict[str, Any]:
    """A Functional config: ``layers``, and ``specs`` one after the other on their outputs ``ends``, or on an input."""
    if not specs or not all(isinstance(spec["config"].get("name"), str) for spec in specs):
        raise ModelFileError("a Sequential model within a Merge has no layers, or one without a name")
    if not ends:
        name = f"{specs[0]['config']['name']}_input"
        given = {key: specs[0]["config"].get(key) for key in ("batch_shape", "dtype")}
        layers = [_layer({"class_name": "InputLayer", "config": {"name": name, **given}}, Origin(2))]
        inputs = ends = [[name, 0, 0]]
    chained = list(layers)
    for spec in specs:
        name = spec["config"]["name"]
        chained.append({**spec, "name": name, "inbound_nodes": [list(ends)]})
        ends = [[name, 0, 0]]
    return {"layers": chained, "input_layers": list(inputs), "output_layers": list(ends)}
