"""Functions of Symbols under their public name: ``from sofie_jit import ops``; see :mod:`sofie_jit.ir.ops`."""

from sofie_jit.ir.ops import *  # noqa: F403
from sofie_jit.ir.ops import __all__  # noqa: F401
