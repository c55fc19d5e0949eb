"""Configs of Keras 1 and 2 -> configs of Keras 3, so that whatever comes after sees one dialect.

:func:`modernize` translates a whole model. Every layer's spec comes out as a dict with ``class_name``, ``package``
('' for Keras's own classes), ``config`` (options of today's names, absent ones filled in) and ``saved_class`` (the
class as the file has it), beside what the file has (``name``, ``inbound_nodes``, ``build_config``). Four things get
names of their own, because today's Keras means something else by the old ones: ``hard_sigmoid_keras2`` (the
activation of Keras 1 and 2, clip(0.2 x + 0.5)), ``bilinear_tensorflow1`` (how UpSampling2D interpolated with TensorFlow
1), ``CuDNNLSTM``/``CuDNNGRU`` (own weight layout), and ``ops.Add``, ... (bare operations, unlike the layers of those
names).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError, WeightsError

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
}  # fmt: skip
"""Old class name -> today's."""

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
"""Old option name -> today's, for the names that mean the same in every class."""

OPTIONS_OF_SOME = (
    ("output_dim", "units", ("Dense", "Highway", "MaxoutDense", "LSTM", "GRU", "SimpleRNN")),
    ("bias", "use_bias", ("Dense", "Highway", "MaxoutDense", "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose",
                          "SeparableConv2D", "LocallyConnected1D", "LocallyConnected2D", "ConvLSTM2D")),
    ("p", "rate", ("Dropout", "GaussianDropout", "AlphaDropout",
                   "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")),
    ("stride", "strides", ("MaxPooling1D", "AveragePooling1D")),
    ("sigma", "stddev", ("GaussianNoise",)),
    ("length", "size", ("UpSampling1D",)),
    ("alpha", "negative_slope", ("LeakyReLU",)),
)  # fmt: skip
"""The same for names that mean it in some classes only: old, today's, the classes."""

COMBINED = {
    "kernel_size": (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3")),
}
"""Option -> the groups of old options that it replaces, in order."""

DROPPED = ("input_dim", "input_length", "input_shape", "forget_bias_init", "gamma_init", "beta_init", "fused",
           "virtual_batch_size", "adjustment", "weights", "use_cudnn", "rng_type")  # fmt: skip
"""Options that say nothing about inference that the weights' shapes don't (Embedding keeps its input_dim)."""

VALUES: dict[str, dict[Any, Any]] = {
    "data_format": {"tf": "channels_last", "th": "channels_first", "default": "channels_last", None: "channels_last"},
    "implementation": {"cpu": 0, "mem": 1, "gpu": 2},
}
"""Option (today's name) -> old value -> today's."""

_CONV = {"padding": "valid", "data_format": "channels_last", "activation": "linear", "use_bias": True}
_POOL = {"strides": None, "padding": "valid", "data_format": "channels_last"}
_GLOBAL_POOL = {"data_format": "channels_last", "keepdims": False}
_RNN = {"return_sequences": False, "return_state": False, "go_backwards": False, "stateful": False}
_CELL = {"activation": "tanh", "use_bias": True}
_GATED = {**_CELL, "recurrent_activation": "sigmoid"}
_NORM = {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True}

DEFAULTS: dict[str, dict[str, Any]] = {
    "Dense": {"activation": "linear", "use_bias": True},
    "EinsumDense": {"activation": "linear", "bias_axes": None},
    "Embedding": {"mask_zero": False},
    "Conv1D": {**_CONV, "strides": 1, "dilation_rate": 1, "groups": 1},
    "Conv2D": {**_CONV, "strides": (1, 1), "dilation_rate": (1, 1), "groups": 1},
    "Conv3D": {**_CONV, "strides": (1, 1, 1), "dilation_rate": (1, 1, 1), "groups": 1},
    "Conv1DTranspose": {**_CONV, "strides": 1, "dilation_rate": 1, "output_padding": None},
    "Conv2DTranspose": {**_CONV, "strides": (1, 1), "dilation_rate": (1, 1), "output_padding": None},
    "Conv3DTranspose": {**_CONV, "strides": (1, 1, 1), "dilation_rate": (1, 1, 1), "output_padding": None},
    "DepthwiseConv1D": {**_CONV, "strides": 1, "dilation_rate": 1, "depth_multiplier": 1},
    "DepthwiseConv2D": {**_CONV, "strides": (1, 1), "dilation_rate": (1, 1), "depth_multiplier": 1},
    "SeparableConv1D": {**_CONV, "strides": 1, "dilation_rate": 1, "depth_multiplier": 1},
    "SeparableConv2D": {**_CONV, "strides": (1, 1), "dilation_rate": (1, 1), "depth_multiplier": 1},
    "LocallyConnected1D": {**_CONV, "strides": 1},
    "LocallyConnected2D": {**_CONV, "strides": (1, 1)},
    **{f"{kind}Pooling{n}D": {**_POOL, "pool_size": 2 if n == 1 else (2,) * n}
       for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{kind}Pooling{n}D": _GLOBAL_POOL for kind in ("Max", "Average") for n in (1, 2, 3)},
    "ZeroPadding1D": {"padding": 1, "data_format": "channels_last"},
    "ZeroPadding2D": {"padding": (1, 1), "data_format": "channels_last"},
    "ZeroPadding3D": {"padding": ((1, 1), (1, 1), (1, 1)), "data_format": "channels_last"},
    "Cropping1D": {"cropping": (1, 1)},
    "Cropping2D": {"cropping": ((0, 0), (0, 0)), "data_format": "channels_last"},
    "Cropping3D": {"cropping": ((1, 1), (1, 1), (1, 1)), "data_format": "channels_last"},
    "UpSampling1D": {"size": 2},
    "UpSampling2D": {"size": (2, 2), "data_format": "channels_last", "interpolation": "nearest"},
    "UpSampling3D": {"size": (2, 2, 2), "data_format": "channels_last"},
    "Flatten": {"data_format": "channels_last"},
    "BatchNormalization": _NORM,
    "LayerNormalization": _NORM,
    "GroupNormalization": {**_NORM, "groups": 32},
    "InstanceNormalization": {**_NORM, "axis": None},
    "RMSNormalization": {"axis": -1, "epsilon": 1e-6},
    "UnitNormalization": {"axis": -1},
    "Normalization": {"axis": -1, "mean": None, "variance": None, "invert": False},
    "LSTM": {**_RNN, **_GATED},
    "LSTMCell": _GATED,
    "GRU": {**_RNN, **_GATED, "reset_after": False},  # Keras 2 before 2.1 had no such option; Keras 3 always writes it
    "GRUCell": {**_GATED, "reset_after": False},
    "SimpleRNN": {**_RNN, **_CELL},
    "SimpleRNNCell": _CELL,
    "CuDNNLSTM": _RNN,
    "CuDNNGRU": _RNN,
    "RNN": _RNN,
    **{f"ConvLSTM{n}D": {**_RNN, **_CONV, **_GATED, "strides": 1, "dilation_rate": 1} for n in (1, 2, 3)},
    "Bidirectional": {"merge_mode": "concat", "backward_layer": None},
    "Masking": {"mask_value": 0.0},
    "Concatenate": {"axis": -1},
    "Dot": {"normalize": False},
    "Softmax": {"axis": -1},
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
    "LeakyReLU": {"negative_slope": 0.3},
    "ELU": {"alpha": 1.0},
    "PReLU": {"shared_axes": None},
    "ThresholdedReLU": {"theta": 1.0},
    "Rescaling": {"offset": 0.0},
    "Resizing": {"interpolation": "bilinear", "data_format": "channels_last"},
    "CenterCrop": {"data_format": "channels_last"},
    "IntegerLookup": {"vocabulary": None, "invert": False, "mask_token": None, "num_oov_indices": 1,
                      "oov_method": "floormod", "output_mode": "int", "pad_to_max_tokens": False, "max_tokens": None,
                      "oov_token": -1, "idf_weights": None},
    "Hashing": {"mask_value": None, "salt": None, "output_mode": "int"},
    "Discretization": {"output_mode": "int", "bin_boundaries": None},
    "Attention": {"use_scale": False, "score_mode": "dot"},
    "AdditiveAttention": {"use_scale": True},
    "MultiHeadAttention": {"value_dim": None, "use_bias": True, "output_shape": None, "attention_axes": None},
}  # fmt: skip
"""What Keras takes for an option that a config leaves out."""

DEFAULTS_BEFORE_KERAS_3: dict[str, dict[str, Any]] = {
    **{name: {"recurrent_activation": "hard_sigmoid"} for name in ("LSTM", "GRU", "LSTMCell", "GRUCell", "ConvLSTM2D")},
    "RandomCrop": {"crop_to_aspect_ratio": True},
}
"""The same where Keras 1 and 2 took something else."""

ACTIVATION_OPTIONS = ("activation", "recurrent_activation")
NESTED_OPTIONS = ("layer", "forward_layer", "backward_layer", "cell", "cells", *ACTIVATION_OPTIONS)
"""Options that may hold layers."""

TENSORFLOW_ACTIVATIONS = {"softmax_v2": "softmax", "log_softmax_v2": "log_softmax"}
"""What TensorFlow's functions, given as activations, are called in files -> Keras's."""

OLD_ACTIVATIONS = {"hard_sigmoid": "hard_sigmoid_keras2"}
"""Activations whose meaning changed with Keras 3 -> the name of the old meaning."""

BILINEAR_OF_TENSORFLOW_1 = "bilinear_tensorflow1"
"""What becomes of ``bilinear`` where Keras resized with TensorFlow 1, for which first pixels are in one place."""
WITH_TENSORFLOW_1 = re.compile(r"2\.[23]\.\d+|2\.1\.6-tf")
"""The versions that say so. Of 2.2.4-tf, which TensorFlow 1.13 to 2.1 wrote, the files do not tell."""

MERGE_MODES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
    "dot": "Dot",
}
"""Mode of Keras 1's Merge layer -> today's class."""


def modernize(model: Mapping[str, Any], keras_version: str = "") -> Spec:
    """The spec of a saved model (``{"class_name", "config", ...}``) in Keras 3's dialect.

    Raises ModelFileError where a layer's config is not what any Keras writes.
    """
    spec = _layer(model, era(model, keras_version))
    if WITH_TENSORFLOW_1.fullmatch(keras_version):
        _resize_with_tensorflow_1(spec)
    return spec


def _resize_with_tensorflow_1(spec: Spec) -> None:
    config = spec["config"]
    if spec["class_name"] == "UpSampling2D" and not spec["package"] and config["interpolation"] == "bilinear":
        config["interpolation"] = BILINEAR_OF_TENSORFLOW_1
    for inner in config["layers"] if spec["class_name"] in MODELS and not spec["package"] else [config.get("layer")]:
        if isinstance(inner, dict) and "saved_class" in inner:
            _resize_with_tensorflow_1(inner)


def era(model: Mapping[str, Any], keras_version: str = "") -> int:
    """The major version of the Keras that wrote a config: 1, 2 or 3; told from its words if no version is known."""
    major = re.match(r"[123](?=\.|$)", keras_version)
    if major:
        return int(major[0])
    todo: list[Any] = [model]
    words: set[str] = set()
    while todo:
        node = todo.pop()
        if isinstance(node, Mapping):
            words.update(map(str, node))
            todo.extend(node.values())
        elif isinstance(node, (list, tuple)):
            todo.extend(node)
    if words & {"registered_name", "batch_shape", "build_input_shape", "keras_history"}:
        return 3
    return 1 if words & {"border_mode", "dim_ordering", "inner_activation", "W_regularizer", "nb_filter"} else 2


def is_stateful(config: Any) -> bool:
    """Whether a layer keeps its states from batch to batch; only then does the size of the batch matter to Keras."""
    if isinstance(config, Mapping):
        return config.get("stateful") is True or any(map(is_stateful, config.values()))
    return isinstance(config, (list, tuple)) and any(map(is_stateful, config))


# -- one layer -----------------------------------------------------------------------------------------------------


def _layer(spec: Any, era: int) -> Spec:
    if not isinstance(spec, Mapping) or not isinstance(spec.get("class_name"), str):
        raise ModelFileError(f"a layer should be a dict with a class_name, found {_short(spec)}")
    package, class_name = _package(spec, era)
    if not package:
        class_name = CLASSES.get(class_name, class_name)
    config = spec.get("config")
    if isinstance(config, list) and not package and class_name in MODELS:  # Sequential up to Keras 2.1
        config = {"layers": config}
    if not isinstance(config, Mapping):
        raise ModelFileError(f"layer of class {class_name}: its config should be a dict, found {_short(config)}")
    if not package and class_name in MODELS:
        layers = config.get("layers")
        if not isinstance(layers, list):
            raise ModelFileError(f"model '{config.get('name')}': its layers should be a list, found {_short(layers)}")
        options = {**config, "layers": [_layer(layer, era) for layer in layers]}
        first = options["layers"][0] if options["layers"] else None
        if class_name == "Sequential" and first and not first["package"] and "branches" in first["config"]:
            class_name, options = "Functional", _without_branches(options)
    else:
        options = {key: decode(value) for key, value in config.items()}
        if not package:
            class_name, options = _options(class_name, options, era)
        elif "dtype" in options:
            options["dtype"] = _dtype(options["dtype"])
    return {**spec, "class_name": class_name, "package": package, "config": options, "saved_class": spec["class_name"],
            "era": era}  # fmt: skip


def _package(spec: Mapping[str, Any], era: int) -> tuple[str, str]:
    """Package and class name; '' is Keras itself. A class of a user's own is never mistaken for Keras's."""
    class_name = spec["class_name"]
    registered = spec.get("registered_name")
    name = registered if isinstance(registered, str) and ">" in registered else class_name
    if ">" in name:
        package, _, class_name = name.rpartition(">")
        return package, class_name
    module = spec.get("module", "keras")  # .h5 files name no module
    if not isinstance(module, str):
        return "__main__", class_name
    if module.split(".")[0] not in ("keras", "tf_keras", "keras_core", "tensorflow", "builtins"):
        return module, class_name
    if ".ops." in module or ("module" not in spec and era >= 3 and _is_operation(spec)):
        return "", f"ops.{class_name}"
    return "", class_name


OPERATIONS_WITH_A_DTYPE = ("Array", "Cast", "ConvertToTensor", "Cumprod", "Cumsum", "EmptyLike", "Full", "FullLike",
                           "Linspace", "MultiHot", "Nancumprod", "Nancumsum", "OneHot", "OnesLike", "Prod",
                           "SaturateCast", "ZerosLike")  # fmt: skip
"""Bare operations that have an argument of the name of the layers' option."""


def _is_operation(spec: Mapping[str, Any]) -> bool:
    """Whether a spec of an .h5 file is a bare operation: layers write ``dtype``, and most ``trainable``."""
    config, called = spec.get("config"), spec.get("inbound_nodes")
    if not isinstance(config, Mapping) or not called or {"trainable", "layers"} & set(config):
        return False
    return "dtype" not in config or spec["class_name"] in OPERATIONS_WITH_A_DTYPE


def _options(class_name: str, config: dict[str, Any], era: int) -> tuple[str, dict[str, Any]]:
    """Class and options in today's words."""
    if class_name == "Merge":
        return _merge(config, era)
    renamed = {**OPTIONS, **{old: new for old, new, classes in OPTIONS_OF_SOME if class_name in classes}}
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
    defaults = DEFAULTS_BEFORE_KERAS_3.get(class_name, {}) if era < 3 else {}
    options = {**DEFAULTS.get(class_name, {}), **defaults, **options}
    if options.get("groups") == 1 and "groups" not in DEFAULTS.get(class_name, {}):
        del options["groups"]  # Keras 2 wrote it for all convolutions, depthwise and transposed ones too
    if "dtype" in options:
        options["dtype"] = _dtype(options["dtype"])
    for option in NESTED_OPTIONS:
        if option in options:
            options[option] = _nested(option, options[option], era)
    if class_name in IRREGULAR:
        options = IRREGULAR[class_name](options)
    return class_name, options


def _nested(option: str, value: Any, era: int) -> Any:
    if isinstance(value, (list, tuple)):
        return [_nested(option, item, era) for item in value]
    if isinstance(value, Mapping) and option in ACTIVATION_OPTIONS:
        value = _function(value)
    if isinstance(value, Mapping):
        return _layer(value, era)
    if option in ACTIVATION_OPTIONS:
        value = "linear" if value is None else TENSORFLOW_ACTIVATIONS.get(value, value)
        return OLD_ACTIVATIONS.get(value, value) if era < 3 else value
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


def _merge(config: dict[str, Any], era: int) -> tuple[str, dict[str, Any]]:
    """Keras 1's Merge; with a function of the user's as mode it stays a Merge, which nothing translates."""
    mode = config.get("mode", "sum")
    if config.get("mode_type", "raw") != "raw" or not isinstance(mode, str) or mode not in MERGE_MODES:
        return "Merge", config
    options: dict[str, Any] = {"name": config.get("name")}
    if isinstance(config.get("layers"), list):
        options["branches"] = [_layer(branch, era) for branch in config["layers"]]
    if mode == "concat":
        options["axis"] = config.get("concat_axis", -1)
    if mode == "dot":
        options.update(axes=config.get("dot_axes", -1), normalize=False)
    return MERGE_MODES[mode], options


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
            raise ModelFileError(f"a Merge of models begins with a {branch['class_name']}; expected models")
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
        layers = [_layer({"class_name": "InputLayer", "config": {"name": name, **given}}, 2)]
        inputs = ends = [[name, 0, 0]]
    chained = list(layers)
    for spec in specs:
        name = spec["config"]["name"]
        chained.append({**spec, "name": name, "inbound_nodes": [list(ends)]})
        ends = [[name, 0, 0]]
    return {"layers": chained, "input_layers": list(inputs), "output_layers": list(ends)}


def _batch_normalization(options: dict[str, Any]) -> dict[str, Any]:
    axis = options["axis"]
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        options["axis"] = axis[0]
    if options.get("mode") == 0:  # the others normalize by the batch at hand; the handler refuses what is left
        del options["mode"]
    return options


def _zero_padding_2d(options: dict[str, Any]) -> dict[str, Any]:
    padding = options["padding"]
    if isinstance(padding, Mapping):
        padding = [padding.get(side, 0) for side in ("top_pad", "bottom_pad", "left_pad", "right_pad")]
    if isinstance(padding, (list, tuple)) and len(padding) == 4:
        padding = (tuple(padding[:2]), tuple(padding[2:]))
    return {**options, "padding": padding}


def _zero_padding_1d(options: dict[str, Any]) -> dict[str, Any]:
    padding = options["padding"]
    if isinstance(padding, Mapping):
        padding = (padding.get("left_pad", 0), padding.get("right_pad", 0))
    return {**options, "padding": padding}


IRREGULAR: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "BatchNormalization": _batch_normalization,
    "ZeroPadding1D": _zero_padding_1d,
    "ZeroPadding2D": _zero_padding_2d,
}
"""What no table says."""


# -- values --------------------------------------------------------------------------------------------------------


def decode(value: Any) -> Any:
    """A value of a config with the wrappers that JSON needed taken off: tuples, shapes, arrays, slices.

    Arrays become numpy arrays. References to tensors and to functions are left as they are.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    kind, config = value.get("class_name"), value.get("config")
    if kind == "__tuple__" and isinstance(value.get("items"), list):
        return tuple(decode(item) for item in value["items"])
    if kind == "TensorShape" and isinstance(value.get("items"), list):
        return list(value["items"])
    if kind == "__ellipsis__":
        return Ellipsis
    if kind == "__slice__" and isinstance(config, Mapping):
        return slice(*(decode(config.get(key)) for key in ("start", "stop", "step")))
    if kind in ("__numpy__", "__tensor__") and isinstance(config, Mapping):
        return _array(config.get("value"), config.get("dtype"))
    if set(value) == {"type", "value"} and value["type"] == "ndarray":  # Keras 1 and 2
        return value["value"]
    return {key: decode(item) for key, item in value.items()}


def _array(value: Any, dtype: Any) -> np.ndarray:
    try:
        array = np.asarray(value, "float32" if dtype == "bfloat16" else dtype)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"a constant of type {dtype!r} in the config is not an array: {error}") from error
    if array.dtype.kind not in "fiub":
        raise ModelFileError(f"a constant in the config has the type {array.dtype}; expected numbers")
    return array


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# -- weights -------------------------------------------------------------------------------------------------------

_GATES = {"LSTM": "icfo", "GRU": "zrh", "ConvLSTM2D": "icfo"}
_GATES_TODAY = {"LSTM": "ifco", "GRU": "zrh", "ConvLSTM2D": "ifco"}
_WRAPPERS = {"Bidirectional": 2, "TimeDistributed": 1}
"""Layers that hold another's weights, so many times."""
_FLIPPED_BY_THEANO = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")
_KERNEL_AXES_TH = {
    "Conv2D": (2, 3, 1, 0),
    "Conv2DTranspose": (2, 3, 0, 1),
    "Conv3D": (2, 3, 4, 1, 0),
    "ConvLSTM2D": (2, 3, 1, 0),
}
"""Kernels of Keras 1's channels_first layers (filters, channels, rows, columns) -> today's order of axes."""


def split_gates(class_name: str, config: Mapping[str, Any], era: int) -> int:
    """In how many arrays Keras 1 kept what is (kernel, recurrent_kernel, bias) today; 0 where it did not."""
    if class_name in _WRAPPERS:
        inner = config["layer"]
        return _WRAPPERS[class_name] * split_gates(inner["class_name"], inner["config"], era)
    return 3 * len(_GATES[class_name]) if era == 1 and class_name in _GATES else 0


def convert_weights(
    class_name: str, config: Mapping[str, Any], arrays: Sequence[np.ndarray], era: int, backend: str = ""
) -> list[np.ndarray]:
    """A layer's weights as Keras 3 would keep them, from what an older Keras or its Theano backend wrote."""
    if class_name in MODELS and arrays and (era == 1 or backend == "theano"):
        raise WeightsError(f"a {class_name} model inside a layer, saved by Keras 1 or Theano, is not translated")
    if class_name in _WRAPPERS:
        inner, count = config["layer"], len(arrays) // _WRAPPERS[class_name]
        return [
            array
            for start in range(0, len(arrays), max(count, 1))
            for array in convert_weights(
                inner["class_name"], inner["config"], arrays[start : start + count], era, backend
            )
        ]
    converted = list(arrays)
    kernels = range(min(len(converted), 2 if class_name == "ConvLSTM2D" else 1))
    if era == 1:
        if converted and len(converted) == split_gates(class_name, config, era):
            order = [_GATES[class_name].index(gate) for gate in _GATES_TODAY[class_name]]
            converted = [np.concatenate([converted[3 * gate + kind] for gate in order], axis=-1) for kind in range(3)]
        for i in kernels:
            converted[i] = _kernel_of_keras_1(class_name, config, converted[i])
    if backend == "theano" and class_name in _FLIPPED_BY_THEANO:  # Theano convolves, the others correlate
        for i in kernels:
            converted[i] = np.flip(converted[i], tuple(range(converted[i].ndim - 2)))
    return converted


def _kernel_of_keras_1(class_name: str, config: Mapping[str, Any], kernel: np.ndarray) -> np.ndarray:
    if class_name == "Conv1D" and kernel.ndim == 4:  # a two-dimensional kernel of one column
        size = config.get("kernel_size")
        length = size[0] if isinstance(size, (list, tuple)) else size
        if kernel.shape[:2] != (length, 1) or kernel.shape[3] != config.get("filters"):
            kernel = np.transpose(kernel, (2, 3, 1, 0))  # up to Keras 1.1: (filters, channels, length, 1)
        if kernel.shape[1] != 1:
            raise WeightsError(f"a Conv1D kernel of Keras 1 has shape {kernel.shape}; expected one column")
        return np.squeeze(kernel, 1)
    axes = _KERNEL_AXES_TH.get(class_name)
    if axes is None or kernel.ndim != len(axes):
        return kernel
    if config.get("data_format") == "channels_first":
        return np.transpose(kernel, axes)
    return np.swapaxes(kernel, 2, 3) if class_name == "Conv2DTranspose" else kernel
