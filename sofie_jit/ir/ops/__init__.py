"""Functions of Symbols, with the names and arguments of ``keras.ops``; public as ``sofie_jit.ops``.

>>> from sofie_jit import ops
>>> def swish(x):
...     return x * ops.sigmoid(x)

Every function appends operators to the network that its Symbols belong to, and returns the Symbol of the result, or a
tuple of several. Operands are Symbols, Python numbers, arrays and lists, at least one of them a Symbol. They broadcast
as in numpy, and are converted to one element type by the promotion policy of the network's Builder: for models of
Keras, and for functions given to ``load(replace=)`` and ``register_layer``, as Keras does it (bool, int32, int64,
float32, float64: the later type wins; Python numbers take the type of the other operand, except that a float turns
integers to float32); else by the rule of ONNX, where tensors of different types are an error.

Functions of real numbers compute integers in floating point where the policy has such a conversion. Operands that do
not fit raise ShapeError or DtypeError.

In the examples, ``x`` is a float32 Symbol of shape (batch, 2, 3) and ``n`` an int32 Symbol of shape (batch, 4).
"""

from sofie_jit.ir.ops.core import *  # noqa: F403
from sofie_jit.ir.ops.einstein_sum import *  # noqa: F403
from sofie_jit.ir.ops.elementwise import *  # noqa: F403
from sofie_jit.ir.ops.image import *  # noqa: F403
from sofie_jit.ir.ops.matrix_product import *  # noqa: F403
from sofie_jit.ir.ops.nn import *  # noqa: F403
from sofie_jit.ir.ops.products import *  # noqa: F403
from sofie_jit.ir.ops.reductions import *  # noqa: F403
from sofie_jit.ir.ops.shapes import *  # noqa: F403
from sofie_jit.ir.ops.signal import *  # noqa: F403
from sofie_jit.ir.ops.sorting import *  # noqa: F403
from sofie_jit.ir.symbol import ARITHMETIC

__all__ = [  # the functions that these modules define, without what they import
    name
    for name, value in list(globals().items())
    if callable(value) and value.__module__.startswith(f"{__name__}.") and not name.startswith("_")
]

ARITHMETIC.update({name: globals()[name] for name in __all__})
