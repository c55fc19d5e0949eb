"""RoundTo: floating-point numbers rounded to those of a type with fewer bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sofie_jit.errors import DtypeError
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


class NarrowType(NamedTuple):
    """A type of floating-point numbers that float32 contains."""

    significand: int
    """Bits of the significand, with the leading one."""
    exponent: int
    """Of the smallest power of two with all of these bits."""
    largest: float


NARROW = {"float16": NarrowType(11, -14, 65504.0), "bfloat16": NarrowType(8, -126, 255 * 2.0**120)}
"""The types of 16 bits by ONNX's names."""


@dataclass(kw_only=True)
class RoundTo(ROperator):
    """The numbers of type ``to`` (float16 or bfloat16) that are nearest to X, halves to even, in the type of X.

    In ONNX it is a Cast to this type and back. Tensors of these types are stored and computed in float32.

    >>> RoundTo(to="bfloat16").evaluate(np.array([1.001, 1.01, 1e39]))
    array([1.       , 1.0078125,       inf])
    """

    to: str

    @property
    def step(self) -> float:
        """The distance of two numbers of the type, relative to their magnitude."""
        return float(2.0 ** (1 - NARROW[self.to].significand))

    def infer(self, x: TensorType) -> TensorType:
        if self.to not in NARROW:
            raise DtypeError(f"RoundTo: unknown type {self.to!r}; expected one of {', '.join(NARROW)}")
        float_dtype("RoundTo", x)
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return rounded(x, self.to)


def rounded(x: np.ndarray, to: str) -> np.ndarray:
    """Floating-point numbers rounded to those of a type of :data:`NARROW`; the result has the type of ``x``."""
    kind = NARROW[to]
    wide = x.astype(np.float64)
    power = np.maximum(np.frexp(np.where(np.isfinite(wide), wide, 0))[1] - 1, kind.exponent)
    step = np.ldexp(1.0, power - kind.significand + 1)
    nearest = np.where(np.isfinite(wide), np.rint(wide / step) * step, wide)
    limited = np.where(np.abs(nearest) > kind.largest, np.copysign(np.inf, wide), nearest)
    return np.copysign(limited, wide).astype(x.dtype)
