"""What is not translated, and why: whole classes of Keras, and options of classes that are translated otherwise."""

from __future__ import annotations

_STRINGS = "it works on strings; turn them to numbers before the model"
_OTHERS_CODE = "it holds another framework's code, which no file describes; save that part with its own framework"
_ABSTRACT = "a base class that computes nothing by itself"

CLASSES = {
    "Lambda": "it holds Python code, which is never executed; give its function: load(..., replace={name: function})",
    "TextVectorization": _STRINGS,
    "StringLookup": _STRINGS,
    "FlaxLayer": _OTHERS_CODE,
    "JaxLayer": _OTHERS_CODE,
    "TFSMLayer": _OTHERS_CODE,
    "TorchModuleWrapper": _OTHERS_CODE,
    "Layer": _ABSTRACT,
    "Wrapper": _ABSTRACT,
    "InputSpec": "it is no layer",
    "ContrastLimitedAdaptiveHistogramEqualization": "histograms of image tiles; equalize the images before the model",
    "Pipeline": "put its layers into the model one by one",
    "Merge": "its mode is 'cos' or a function; use a merging layer such as Add, Concatenate or Dot(normalize=True)",
    "DenseFeatures": "feature columns are tables of strings and numbers; feed numbers instead",
}
"""Class -> why it is not translated, and a way on."""

OPTIONS = {
    "Discretization": "sparse=True",
    "CategoryEncoding": "sparse=True",
    "Hashing": "strings, sparse=True",
    "HashedCrossing": "strings, more than two inputs, sparse=True",
    "IntegerLookup": "in .h5 files a vocabulary that adapt() found, which is not saved; sparse=True",
    "RNN": "cells that are not Keras's own",
    "RandomCrop": "Keras 3's with images of another size than asked for",
    "TFOpLambda": "functions outside the table of layers/tf_ops.py, einsum (its tensors are not saved)",
    "TensorFlowOpLayer": "operations outside the table of layers/tf_graph_ops.py, axes and shapes that are computed",
}
"""Class -> what of it is refused."""

_FUNCTION = "it takes a Python function, which no file describes"
_COMPLEX = "there are no complex numbers; compute with real and imaginary part"
_DYNAMIC = "the shape of its result depends on the numbers"
_DECOMPOSITION = "decompositions and inverses of matrices are not translated"
_ACROSS = "it works across the rows of a batch"
_PLACES = "it reads or writes at places that the model computes"

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
        _ACROSS,
    ),
    **dict.fromkeys(
        ("AffineTransform", "MapCoordinates", "PerspectiveTransform", "ScaleAndTranslate", "Scatter", "ScatterUpdate"),
        _PLACES,
    ),
    **dict.fromkeys(("CTCDecode", "CTCLoss"), "alignment of sequences is not translated"),
    **dict.fromkeys(("Fold", "ISTFT"), "sums of overlapping windows are not translated; use a transposed convolution"),
    **dict.fromkeys(("Ndim", "Size"), "it is a number of the shape, which Python knows without the model"),
    **dict.fromkeys(("GaussianBlur", "SSIM", "SobelEdges"), "use a DepthwiseConv2D that has its kernel"),
    **dict.fromkeys(("Geomspace", "Logspace"), "take exp of a Linspace"),
    "Argpartition": "the order within the parts is left open; use argsort",
    "ElasticTransform": "it is random",
    "View": "it takes the bits of numbers for other numbers",
}  # fmt: skip
"""Bare operation (its class, without ``ops.``) -> why it is not translated."""
