"""Hashing of integers into buckets, as TensorFlow has it for categories of data (not in ONNX)."""

from __future__ import annotations

from dataclasses import dataclass

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.operator import ROperator, TensorType


@dataclass(kw_only=True)
class HashBucket(ROperator):
    """The hash of every integer's decimal digits modulo ``num_buckets``, as int64.

    The hash is FarmHash's Fingerprint64; with a ``key``, two numbers of 64 bits, SipHash-2-4.
    """

    num_buckets: int
    key: tuple[int, int] | None = None

    def infer(self, x: TensorType) -> TensorType:
        if not x.dtype.startswith("int"):
            raise DtypeError(f"HashBucket hashes integers, got {x}: add a Cast")
        if self.num_buckets < 1:
            raise ShapeError(f"HashBucket needs at least one bucket, got num_buckets={self.num_buckets}")
        return TensorType("int64", x.shape)


@dataclass(kw_only=True)
class CrossHashed(ROperator):
    """The combined fingerprint of two int64 tensors of one shape, modulo ``num_buckets``."""

    num_buckets: int
    key: int = 0xDECAFCAFFE

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        if (a.dtype, b.dtype) != ("int64", "int64"):
            raise DtypeError(f"CrossHashed takes int64, got {a} and {b}: add a Cast")
        if a.shape != b.shape or self.num_buckets < 1:
            raise ShapeError(f"CrossHashed into num_buckets={self.num_buckets} needs equal shapes, got {a} and {b}")
        return a
