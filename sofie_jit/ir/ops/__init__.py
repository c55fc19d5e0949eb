"""Mathematics on Symbols in numpy's words: what parsers, and users' own layers, are composed of.

>>> from sofie_jit import ops
>>> def swish(x: Symbol) -> Symbol:
...     return x * ops.sigmoid(x)

Every function adds operators to the model that its Symbols belong to. It takes Symbols, numbers and arrays (at least
one Symbol), broadcasts them, and brings them to one element type as Keras does: bool, int32, int64, float32, float64,
the later wins; a Python number takes the type of what it meets, but a float makes integers float32. Names and arguments
are those of ``keras.ops``. What does not fit raises ShapeError or DtypeError.
"""

from sofie_jit.ir.ops.core import *  # noqa: F403
from sofie_jit.ir.ops.elementwise import *  # noqa: F403
from sofie_jit.ir.ops.image import *  # noqa: F403
from sofie_jit.ir.ops.nn import *  # noqa: F403
from sofie_jit.ir.ops.products import *  # noqa: F403
from sofie_jit.ir.ops.reductions import *  # noqa: F403
from sofie_jit.ir.ops.shapes import *  # noqa: F403
from sofie_jit.ir.ops.signal import *  # noqa: F403
from sofie_jit.ir.ops.sorting import *  # noqa: F403
