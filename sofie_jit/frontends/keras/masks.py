"""Keras's masking made explicit: which layers use, pass on, combine or lose a mask.

A mask is a bool tensor beside a tensor (``Symbol.mask``), True at the steps that count; its shape is that of the
tensor's first axes. Where it comes from and where it goes is what Keras does when a layer is called, Keras 3 unless
the layer is of an earlier era:

* a layer whose ``call`` has an argument ``mask``, or ``query_mask``, is given the mask of its tensor, or of ``query``;
  its handler declares that it uses masks by having a parameter of that name;
* what becomes of the mask of the first argument is the layer's :data:`Rule`. A mask that meets a layer with no rule
  is refused.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.frontends.keras.graph import Layer, flatten, map_leaves
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.operator import Dim

if TYPE_CHECKING:
    from sofie_jit.frontends.keras.layers.registry import LayerCall

Rule = Callable[["LayerCall", Any, Any], Any]
"""(call, first argument, its mask, in the structure of that argument) -> the mask of the output, or a list of them."""


# -- rules ---------------------------------------------------------------------------------------------------------


def passes(call: LayerCall, inputs: Any, mask: Any) -> Any:
    """The output has the mask of the input."""
    return mask


def stops(call: LayerCall, inputs: Any, mask: Any) -> Any:
    """The output has no mask: Keras warns that it is lost, or the layer has made use of it."""
    return None


def merges(call: LayerCall, inputs: Any, mask: Any) -> Any:
    """A step counts if it does in any input; an input without a mask leaves none. In Keras 2: if it does in all."""
    masks = flatten(mask)
    if call.layer.era < 3:
        return all_of(*dict.fromkeys(m for m in masks if m is not None))
    if any(m is None for m in masks):
        return None
    return functools.reduce(ops.logical_or, dict.fromkeys(masks))


def concatenates(call: LayerCall, inputs: Any, mask: Any) -> Any:
    """Masks one after the other like their tensors; along the last axis they are merged, no mask being all True."""
    tensors, masks = flatten(inputs), flatten(mask)
    for x, m in zip(tensors, masks, strict=True):
        if m is not None and m.rank != x.rank - 1:
            call.refuse(f"it concatenates {x.type} with a mask {m.type}; only masks of all axes but the last are known")
    axis = call.config["axis"] % tensors[0].rank
    if axis == tensors[0].rank - 1 and (None not in masks or call.layer.era < 3):
        return merges(call, inputs, mask)
    all_true = call.builder.constant(_TRUE, "true")
    if axis == tensors[0].rank - 1:
        return ops.broadcast_to(all_true, tensors[0].shape[:-1])
    parts = [ops.broadcast_to(all_true if m is None else m, x.shape[:-1]) for x, m in zip(tensors, masks, strict=True)]
    return ops.concatenate(parts, axis)


def passes_since_keras_3(call: LayerCall, inputs: Any, mask: Any) -> Any:
    """The output has the mask of the input, in files of Keras 3."""
    return mask if call.layer.era >= 3 else None


def of_query(call: LayerCall, inputs: Any, mask: Any) -> Any:
    """The output has the mask of the first of a list of inputs."""
    return mask[0] if isinstance(mask, (list, tuple)) else None


def of_sequence(call: LayerCall, inputs: Any, mask: Any) -> Any:
    """A sequence that comes out has the mask of the one that went in; the last step and the states have none."""
    return flatten(mask)[0] if call.config["return_sequences"] else None


def of_both_sequences(call: LayerCall, inputs: Any, mask: Any) -> Any:
    """The same for both directions."""
    if not call.config["layer"]["config"]["return_sequences"]:
        return None
    return flatten(mask)[:1] * (2 if call.config["merge_mode"] is None else 1)


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dense", "Dropout", "ELU",
         "GaussianDropout", "GaussianNoise", "GroupNormalization", "GroupQueryAttention", "LayerNormalization",
         "LeakyReLU", "Masking", "MultiHeadAttention", "PReLU", "ReLU", "Softmax", "SpatialDropout1D",
         "SpatialDropout2D", "SpatialDropout3D", "ThresholdedReLU", "TimeDistributed", "UnitNormalization"),
        passes,
    ),
    **dict.fromkeys(("Identity", "Normalization", "Rescaling"), passes_since_keras_3),
    **dict.fromkeys(("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"), merges),
    "Concatenate": concatenates,
    **dict.fromkeys(("AdditiveAttention", "Attention"), of_query),
    **dict.fromkeys(("GRU", "LSTM", "RNN", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), of_sequence),
    "Bidirectional": of_both_sequences,
    **dict.fromkeys(
        ("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D",
         "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D",
         "CategoryEncoding", "CenterCrop", "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D",
         "Conv3DTranspose", "Cropping1D", "Cropping2D", "Cropping3D", "DepthwiseConv1D", "DepthwiseConv2D",
         "Discretization", "Dot", "EinsumDense", "Embedding", "Flatten", "GRUCell", "GlobalAveragePooling1D",
         "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
         "GlobalMaxPooling3D", "Hashing", "HashedCrossing", "IntegerLookup", "LSTMCell", "LocallyConnected1D",
         "LocallyConnected2D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "MelSpectrogram", "Permute",
         "RMSNormalization", "RepeatVector", "Reshape", "Resizing", "ReversibleEmbedding", "STFTSpectrogram",
         "SeparableConv1D", "SeparableConv2D", "SimpleRNNCell", "SpectralNormalization", "StackedRNNCells",
         "UpSampling1D", "UpSampling2D", "UpSampling3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"),
        stops,
    ),
    **dict.fromkeys(
        ("AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix", "Equalization",
         "MaxNumBoundingBoxes", "MixUp", "Pipeline", "RandAugment", "RandomBrightness", "RandomColorDegeneration",
         "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomElasticTransform", "RandomErasing", "RandomFlip",
         "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective",
         "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
         "RandomTranslation", "RandomZoom", "Solarization"),
        stops,
    ),
    **dict.fromkeys(("InstanceNormalization", "Addons>InstanceNormalization", "Addons>GroupNormalization"), passes),
    **dict.fromkeys(("CustomScaleLayer", "LayerScale", "StochasticDepth"), stops),  # of keras.applications
    **dict.fromkeys(("SlicingOpLambda", "TFOpLambda", "TensorFlowOpLayer"), stops),  # as keras.ops
}  # fmt: skip
"""What layers do with the mask of their (first) input, but for those they attach themselves."""

UNUSED = ("BatchNormalization",)
"""Layers that take a mask for training only."""

UNCOPIED = (
    "ops.Array", "ops.AttachMask", "ops.Cast", "ops.Conj", "ops.Conjugate", "ops.ConvertToTensor", "ops.Diff",
    "ops.Moveaxis", "ops.Real", "ops.Swapaxes",
)  # fmt: skip
"""Operations of which Keras returns the input itself where they would change nothing."""
UNCOPIED_BY_TENSORFLOW = ("cast", "convert_to_tensor")
"""The same of TFOpLambda's functions."""

_TRUE = np.array([True])


def rule(layer: Layer, handler: Callable[..., Any]) -> Rule | None:
    """What a layer does with masks; None if that is not known.

    A bare operation knows no masks; neither does a custom layer pass one on, unless its handler attaches it, but one
    whose handler has no parameter ``mask`` is not taken to mean that it may be lost.
    """
    if layer.class_name.startswith("ops."):
        return stops
    name = f"{layer.package}>{layer.class_name}" if layer.package else layer.class_name
    if name in RULES:
        return RULES[name]
    return stops if "mask" in inspect.signature(handler).parameters else None


# -- calls ---------------------------------------------------------------------------------------------------------


def masks_of(value: Any) -> Any:
    """``value`` with each Symbol replaced by its mask; None if there is none at all."""

    def mapped(part: Any) -> Any:
        if isinstance(part, (list, tuple)):
            return [mapped(item) for item in part]
        return part.mask if isinstance(part, Symbol) else None

    masks = mapped(value)
    return None if all(m is None for m in flatten(masks)) else masks


def given(call: LayerCall, handler: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Adds to ``kwargs`` the masks that Keras passes to the layer; returns the mask of its first argument."""
    parameters = inspect.signature(handler).parameters
    if "mask" in kwargs and "mask" not in parameters and call.layer.class_name in UNUSED and not call.layer.package:
        return kwargs.pop("mask")
    names = list(parameters)[1:]
    tensors = {
        name: value
        for name, value in [*zip(names, args, strict=False), *kwargs.items()]
        if any(isinstance(leaf, Symbol) for leaf in flatten(value))
    }
    wanted = {"mask": next(iter(tensors.values()))} if len(tensors) == 1 or (tensors and call.layer.era < 3) else {}
    if len(tensors) > 1:
        wanted |= {f"{name}_mask": value for name, value in tensors.items()}
    for name, value in wanted.items():
        mask = masks_of(value)
        if name in parameters and kwargs.get(name) is None and mask is not None:
            kwargs[name] = mask
    return kwargs["mask"] if kwargs.get("mask") is not None else masks_of(args[0] if args else None)


def hand_on(call: LayerCall, handler: Callable[..., Any], inputs: Any, mask: Any, outputs: Any) -> Any:
    """``outputs`` with what becomes of the mask of ``inputs``, the first argument.

    Refuses, through ``call``, if that is not known.
    """
    what = rule(call.layer, handler)
    symbols, unchanged = _symbols(outputs), set(_symbols(inputs))
    if what is None or _returns_its_input(call.layer):
        unchanged = set()  # a tensor that comes out as it went in has the mask it had
    unsettled = {x for x in symbols if x.mask is None or x in unchanged}
    if mask is None or not unsettled:
        return outputs
    if what is None:
        call.refuse(
            "its input has a mask (of Masking, or an Embedding with mask_zero=True), and what this layer does with one "
            "is not known; save the model without the mask, or, if the layer is yours, register a handler for it that "
            "has a parameter 'mask'"
        )
    masks = dict(zip(symbols, flatten(what(call, inputs, mask)), strict=False))

    def settled(leaf: Any) -> Any:
        if not isinstance(leaf, Symbol) or leaf not in unsettled or leaf.mask is masks.get(leaf):
            return leaf
        return replace(leaf, mask=masks.get(leaf))

    return map_leaves(settled, outputs)


def _symbols(structure: Any) -> list[Symbol]:
    return [leaf for leaf in flatten(structure) if isinstance(leaf, Symbol)]


def _returns_its_input(layer: Layer) -> bool:
    """Whether Keras, where an operation has nothing to do, returns the very tensor, mask and all, and not a copy."""
    return layer.class_name in UNCOPIED or (
        layer.class_name == "TFOpLambda" and layer.config.get("function") in UNCOPIED_BY_TENSORFLOW
    )


# -- making masks --------------------------------------------------------------------------------------------------


def attach(output: Symbol, mask: Symbol | None) -> Symbol:
    """``output`` with ``mask``, for handlers of layers that compute one."""
    output.mask = mask
    return output


def band(x: Symbol, rows: Dim, columns: Dim, below: int | None, above: int | None) -> Symbol:
    """Where the column's number minus the row's is in [-``below``, ``above``], None being no limit: (rows, columns).

    ``x`` is any tensor of the model. Causal attention is a band that ends at the diagonal.
    """

    def numbers(size: Dim) -> Symbol:
        ones = x.builder.constant(np.ones(1, np.int32), "one")
        return ops.cumsum(ops.broadcast_to(ones, (size,)), 0)

    if isinstance(rows, int) and isinstance(columns, int):
        offsets = np.arange(columns) - np.arange(rows)[:, np.newaxis]
        inside = (offsets >= (-rows if below is None else -below)) & (offsets <= (columns if above is None else above))
        return x.builder.constant(inside, "band")
    offset = ops.subtract(ops.expand_dims(numbers(columns), 0), ops.expand_dims(numbers(rows), 1))
    limits = []
    if below is not None:
        limits.append(ops.greater_equal(offset, -below))
    if above is not None:
        limits.append(ops.less_equal(offset, above))
    return all_of(*limits)


def all_of(*masks: Symbol) -> Symbol:
    """Where all of one or more masks are true; they broadcast."""
    return functools.reduce(ops.logical_and, masks)
