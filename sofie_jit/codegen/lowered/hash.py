"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.hash`."""

from __future__ import annotations
from dataclasses import dataclass
from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.operator import Emitter, ROperator, TensorType
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.hash import HashBucket, CrossHashed


@emits(HashBucket, kernels=("elementwise/hash.hxx",))
def hash_bucket(op: HashBucket, code: Emitter) -> str:
    first, second = (f"std::size_t({number % 2**64}u)" for number in op.key or (0, 0))
    size = code.count(code.outputs[0].shape)
    keyed = op.key is not None
    return code.call("hash_bucket", size, op.num_buckets, keyed, first, second, code.input(0), code.output(0))


@emits(CrossHashed, kernels=("elementwise/hash.hxx",))
def cross_hashed(op: CrossHashed, code: Emitter) -> str:
    size = code.count(code.outputs[0].shape)
    return code.call("cross_hashed", size, op.num_buckets, op.key, code.input(0), code.input(1), code.output(0))
