"""Hashing of integers into buckets, as TensorFlow does it for categorical data (not in ONNX)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType, is_integer
from sofie_jit.records import dataclass

_WORD = 2**64 - 1


@dataclass(kw_only=True)
class HashBucket(ROperator):
    """The hash of each integer's decimal digits modulo ``num_buckets``, as int64.

    The hash is FarmHash's Fingerprint64 or, with a ``key`` of two 64-bit numbers, SipHash-2-4.

    >>> HashBucket(num_buckets=10).evaluate(np.array([7, -7]))
    array([8, 2])
    """

    num_buckets: int
    key: tuple[int, int] | None = None

    def infer(self, x: TensorType) -> TensorType:
        if not is_integer(x.dtype):
            raise DtypeError(f"HashBucket hashes integers, got {x}: cast it")
        if self.num_buckets < 1:
            raise ShapeError(f"HashBucket needs at least one bucket, got num_buckets={self.num_buckets}")
        return TensorType("int64", x.shape)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        key = self.key

        def bucket(number: int) -> int:
            digits = str(number).encode()
            return (_fingerprint(digits) if key is None else _sip_hash(digits, *key)) % self.num_buckets

        return _of_numbers(bucket, x)


@dataclass(kw_only=True)
class CrossHashed(ROperator):
    """The combined fingerprint of two int64 tensors of one shape, modulo ``num_buckets``.

    >>> CrossHashed(num_buckets=10).evaluate(np.array([1, 2]), np.array([3, 3]))
    array([1, 4])
    """

    num_buckets: int
    key: int = 0xDECAFCAFFE

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        if (a.dtype, b.dtype) != ("int64", "int64"):
            raise DtypeError(f"CrossHashed takes int64, got {a} and {b}: cast them")
        if a.shape != b.shape or self.num_buckets < 1:
            raise ShapeError(f"CrossHashed into num_buckets={self.num_buckets} needs equal shapes, got {a} and {b}")
        return a

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        def bucket(first: int, second: int) -> int:
            return _concatenated(_concatenated(self.key & _WORD, first & _WORD), second & _WORD) % self.num_buckets

        return _of_numbers(bucket, a, b)


def _of_numbers(function: Callable[..., int], *arrays: np.ndarray) -> np.ndarray:
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), np.int64)


def _rotated_left(x: int, count: int) -> int:
    return (x << count | x >> (64 - count)) & _WORD


def _rotated_right(x: int, count: int) -> int:
    return _rotated_left(x, 64 - count)


def _shift_mix(x: int) -> int:
    return x ^ x >> 47


def _fingerprint(text: bytes) -> int:
    """FarmHash's Fingerprint64 (farmhashna::Hash64) of up to 32 characters."""
    k0, k1, k2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
    n = len(text)
    factor = k2 + 2 * n

    def fetch(at: int, size: int) -> int:
        return int.from_bytes(text[at : at + size], "little")

    def mixed(u: int, v: int) -> int:
        a = _shift_mix((u ^ v) * factor & _WORD)
        return _shift_mix((v ^ a) * factor & _WORD) * factor & _WORD

    if n > 16:
        a, b, c, d = fetch(0, 8) * k1, fetch(8, 8), fetch(n - 8, 8) * factor, fetch(n - 16, 8) * k2
        u = _rotated_right((a + b) & _WORD, 43) + _rotated_right(c & _WORD, 30) + d
        return mixed(u & _WORD, (a + _rotated_right((b + k2) & _WORD, 18) + c) & _WORD)
    if n >= 8:
        a, b = (fetch(0, 8) + k2) & _WORD, fetch(n - 8, 8)
        c = _rotated_right(b, 37) * factor + a
        return mixed(c & _WORD, (_rotated_right(a, 25) + b) * factor & _WORD)
    if n >= 4:
        return mixed(n + (fetch(0, 4) << 3), fetch(n - 4, 4))
    y, z = text[0] + (text[n // 2] << 8), n + (text[-1] << 2)
    return _shift_mix((y * k2 ^ z * k0) & _WORD) * k2 & _WORD


def _sip_hash(text: bytes, key0: int, key1: int) -> int:
    """SipHash-2-4."""
    key0, key1 = key0 & _WORD, key1 & _WORD
    v = [key0 ^ 0x736F6D6570736575, key1 ^ 0x646F72616E646F6D, key0 ^ 0x6C7967656E657261, key1 ^ 0x7465646279746573]

    def add(i: int, j: int, rotation: int) -> None:
        v[i] = (v[i] + v[j]) & _WORD
        v[j] = _rotated_left(v[j], rotation) ^ v[i]

    def rounds(count: int) -> None:
        for _ in range(count):
            add(0, 1, 13)
            v[0] = _rotated_left(v[0], 32)
            add(2, 3, 16)
            add(0, 3, 21)
            add(2, 1, 17)
            v[2] = _rotated_left(v[2], 32)

    padded = text + bytes(7 - len(text) % 8) + bytes([len(text) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _concatenated(a: int, b: int) -> int:
    """FingerprintCat64 of TensorFlow."""
    factor = 0xC6A4A7935BD1E995
    both = (a ^ factor ^ _shift_mix(b * factor & _WORD) * factor) * factor & _WORD
    return _shift_mix(_shift_mix(both) * factor & _WORD)
