"""Classes of Keras and operations of ``keras.ops`` that are not supported, with the reason and a workaround.

:func:`of_class` is the whole message. Unsupported options of a layer that has a handler are refused by the handler
(``call.refuse``), and are listed in its ``@layer`` line (``refuses``). ``frontends/wording.py`` has the form of all
refusals.
"""

from __future__ import annotations

from sofie_jit.frontends.keras.graph import Layer
from sofie_jit.frontends.wording import CUT, refusal, replacing

_UNKNOWN = "this class is not supported"
_STRINGS = "it works on strings; convert them to numbers before the model"
_OTHER_CODE = "it holds code of another framework, which the file does not describe; save that part with its framework"
_ABSTRACT = "it is a base class that computes nothing by itself"

CLASSES = {
    "Lambda": "it holds Python code, which is never executed; pass its function: load(..., replace={name: function})",
    "TextVectorization": _STRINGS,
    "StringLookup": _STRINGS,
    "FlaxLayer": _OTHER_CODE,
    "JaxLayer": _OTHER_CODE,
    "TFSMLayer": _OTHER_CODE,
    "TorchModuleWrapper": _OTHER_CODE,
    "Layer": _ABSTRACT,
    "Wrapper": _ABSTRACT,
    "InputSpec": "it is not a layer",
    "DenseFeatures": "feature columns are tables of strings and numbers; pass numbers instead",
}
"""Class -> reason and workaround."""

_ROUNDS = (
    "QKeras rounds its numbers to few bits; train the model with Keras's layers, or pass a function that rounds in the "
    "same way, load(..., replace={name: function})"
)
_QUANTIZED = "it imitates quantized weights; save the model before quantize_model() is applied to it"

ADDED_CLASSES = {
    "CRF": "it decodes the best path of each sequence; end the model in the layer before it, load(..., outputs=[name])",
    **dict.fromkeys(("QuantizeWrapper", "QuantizeWrapperV2", "QuantizeLayer", "QuantizeAnnotate"), _QUANTIZED),
    **dict.fromkeys(
        ("QActivation", "QAdaptiveActivation", "QAveragePooling2D", "QBatchNormalization", "QBidirectional", "QConv1D",
         "QConv2D", "QConv2DBatchnorm", "QConv2DTranspose", "QDense", "QDenseBatchnorm", "QDepthwiseConv2D",
         "QDepthwiseConv2DBatchnorm", "QGRU", "QGlobalAveragePooling2D", "QLSTM", "QMobileNetSeparableConv2D",
         "QOctaveConv2D", "QSeparableConv1D", "QSeparableConv2D", "QSimpleRNN"),
        _ROUNDS,
    ),
}  # fmt: skip
"""Class of an add-on package, whatever the package -> reason and workaround."""

QUANTIZERS = ("quantized_bits", "quantized_linear", "quantized_relu", "quantized_po2", "quantized_relu_po2",
              "quantized_sigmoid", "quantized_tanh", "quantized_ulaw", "quantized_hswish", "bernoulli", "binary",
              "ternary", "stochastic_binary", "stochastic_ternary")  # fmt: skip
"""QKeras's functions, whose names in files may have arguments: ``quantized_relu(6)``."""

WITHOUT_WEIGHTS = ("Lambda", "StringLookup", "TextVectorization")
"""Those among them that never have weights."""

_FUNCTION = "it takes a Python function, which the file does not describe"
_COMPLEX = "there are no complex numbers; compute with real and imaginary part"
_DYNAMIC = "the shape of its result depends on the data"
_DECOMPOSITION = "decompositions and inverses of matrices are not supported"
_ACROSS_ROWS = "it works across the rows of a batch"
_COMPUTED_INDICES = "it reads or writes at computed coordinates"

OPERATIONS = {
    **dict.fromkeys(
        ("AssociativeScan", "Cond", "ForiLoop", "JVP", "Map", "Scan", "Switch", "VectorizedMap", "WhileLoop"), _FUNCTION
    ),
    **dict.fromkeys(("Polar", "ViewAsComplex", "ViewAsReal"), _COMPLEX),
    **dict.fromkeys(("Arange", "Bincount", "Histogram", "Nonzero", "Unique"), _DYNAMIC),
    **dict.fromkeys(
        ("Cholesky", "CholeskyInverse", "Det", "Eig", "Eigh", "Inv", "Logdet", "Lstsq", "LuFactor", "MatrixRank",
         "Pinv", "Qr", "SVD", "Slogdet", "Solve", "SolveTriangular"),
        _DECOMPOSITION,
    ),
    **dict.fromkeys(
        ("Corrcoef", "Correlate", "Diag", "Diagflat", "Meshgrid", "PSNR", "SegmentMax", "SegmentMin", "SegmentProd",
         "SegmentReduction", "SegmentSum"),
        _ACROSS_ROWS,
    ),
    **dict.fromkeys(
        ("AffineTransform", "MapCoordinates", "PerspectiveTransform", "ScaleAndTranslate", "Scatter", "ScatterUpdate"),
        _COMPUTED_INDICES,
    ),
    **dict.fromkeys(("CTCDecode", "CTCLoss"), "alignment of sequences is not supported"),
    **dict.fromkeys(("Fold", "ISTFT"), "sums of overlapping windows are not supported; use a transposed convolution"),
    **dict.fromkeys(("Ndim", "Size"), "it gives a number of the shape, which Python knows without the model"),
    **dict.fromkeys(("GaussianBlur", "SSIM", "SobelEdges"), "use a DepthwiseConv2D with its kernel"),
    **dict.fromkeys(("Geomspace", "Logspace"), "take exp of a Linspace"),
    "Argpartition": "the order within the parts is undefined; use argsort",
    "ElasticTransform": "it is random",
    "View": "it reinterprets the bits of numbers",
}  # fmt: skip
"""Operation (its class, without ``ops.``) -> reason and workaround."""


def of_class(layer: Layer) -> str:
    """The message for a layer whose class has no handler.

    >>> print(of_class(Layer("a", "ops.Foo", {})))
    a (ops.Foo): this class is not supported; cut the model before it with outputs=
    """
    if layer.class_name in ADDED_CLASSES:
        return refusal(layer, ADDED_CLASSES[layer.class_name])
    if layer.package:
        register = f"register a function for it with sofie_jit.register_layer({layer.class_name!r})"
        reason = f"the custom class of '{layer.package}' is not supported"
        return refusal(layer, reason, register, replacing(layer.name), CUT)
    operation = layer.class_name.removeprefix("ops.")
    if operation == layer.class_name:
        if operation in CLASSES:
            return refusal(layer, CLASSES[operation])
        register = f"register a function for it with sofie_jit.register_layer({layer.class_name!r})"
        return refusal(layer, "this class is not one of Keras's", register, replacing(layer.name), CUT)
    if operation in OPERATIONS:
        return refusal(layer, OPERATIONS[operation], replacing(layer.name), CUT)
    return refusal(layer, _UNKNOWN, CUT)
