"""C++ calls of hashing."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, Constant
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.hash import CrossHashed, HashBucket


@emits(HashBucket, kernels=("elementwise/hash.hxx",))
def hash_bucket(op: HashBucket, code: Emitter) -> Call:
    """``hash_bucket`` of all elements."""
    first, second = (Constant(f"std::size_t({number % 2**64}u)") for number in op.key or (0, 0))
    size = code.count(code.outputs[0].shape)
    keyed = op.key is not None
    return code.call("hash_bucket", size, op.num_buckets, keyed, first, second, code.input(0), code.output(0))


@emits(CrossHashed, kernels=("elementwise/hash.hxx",))
def cross_hashed(op: CrossHashed, code: Emitter) -> Call:
    """``cross_hashed`` of all pairs of elements."""
    size = code.count(code.outputs[0].shape)
    return code.call("cross_hashed", size, op.num_buckets, op.key, code.input(0), code.input(1), code.output(0))
