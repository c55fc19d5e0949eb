"""Functions that operators are defined by, in numpy: special functions, hashes, rounding, bits, boxes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sofie_jit.ir.operators import _special, all_operators
from sofie_jit.ir.operators.bit_cast import BitCast
from sofie_jit.ir.operators.data_dependent import NonMaxSuppression, Range, Unique
from sofie_jit.ir.operators.geometry import Axis
from sofie_jit.ir.operators.hash import CrossHashed, HashBucket
from sofie_jit.ir.operators.math import BitShiftLeft, BitShiftRight
from sofie_jit.ir.operators.pairwise_coupling import PairwiseCoupling
from sofie_jit.ir.operators.pick import Pick
from sofie_jit.ir.operators.rounding import RoundTo

special = pytest.importorskip("scipy.special")

POINTS = np.array(
    [0.0, -0.0, 1e-300, 1e-9, 0.1, 0.3, 0.499, 0.5, 0.7, 0.9, 0.999, 1 - 1e-9, 1.0, 1.001, 2.0, 5.5, 20.0, 40.0, 700.0,
     np.inf, np.nan]
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("erf", special.erf),
        ("erfc", special.erfc),
        ("erf_inverse", special.erfinv),
        ("normal", special.ndtr),
        ("sigmoid", special.expit),
        ("softplus", lambda x: np.where(x > 36, x, np.log1p(np.exp(np.minimum(x, 37))))),
        ("bessel_i0", lambda x: np.where(np.isinf(x), np.inf, special.i0(x))),
    ],
)
def test_special_functions(name: str, reference: np.ufunc) -> None:
    """In the type of the argument, as accurate as scipy's."""
    for dtype, tolerance in (("float64", 1e-13), ("float32", 3e-7)):
        x = np.concatenate([-POINTS, POINTS]).astype(dtype)
        with np.errstate(all="ignore"):
            found, expected = getattr(_special, name)(x), reference(x.astype(np.float64)).astype(dtype)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=0, err_msg=name)
    assert np.signbit(_special.erf_inverse(np.array(-0.0)))


CROSSED = [197663391106302904, 3271441939493188038, 3353528930434444836, 601088684557520248]
BUCKETS = 2**62 + 12345
HASHES = {
    # integer -> TensorFlow's to_hash_bucket_fast, and to_hash_bucket_strong with the key (123, -456)
    0: (1363911219970371988, 1123290643573966645),
    7: (590358713228055590, 1529821710326008136),
    -4: (4311178681513391023, 3763926655916803668),
    123: (1389097997109441184, 2573701487983719037),
    -999: (2135822386599680965, 2715492956824416478),
    98765: (3333947845143103884, 60446552679052130),
    -54321: (2711006053892277852, 3676734468191701851),
    7654321: (4160027846592547264, 2367572794069413963),
    -1234567: (4561049060225586265, 1603323690606317103),
    123456789: (2490690402781867057, 3828410018064818797),
    12345678901: (2778295650635750134, 1069416769428215383),
    -987654321098: (1000320561370537041, 1983809862972139632),
    1234567890123456: (3404047305357587321, 660365080115373623),
    -1234567890123456: (3423126079723869195, 4584575665387972721),
    9223372036854775807: (3516461496058261821, 3246213563380755244),
    -9223372036854775808: (1493431938208774112, 2969768716511130474),
}


def test_hashes() -> None:
    """Of 1 to 20 digits, which FarmHash treats in four ways."""
    numbers = np.array(list(HASHES))
    fast, strong = (list(column) for column in zip(*HASHES.values(), strict=True))
    assert HashBucket(num_buckets=BUCKETS).evaluate(numbers).tolist() == fast
    assert HashBucket(num_buckets=BUCKETS, key=(123, -456)).evaluate(numbers).tolist() == strong
    a, b = np.array([1, -5, 2**62, 7]), np.array([3, 8, -9, 2**40])
    assert CrossHashed(num_buckets=BUCKETS).evaluate(a, b).tolist() == CROSSED


def test_bits() -> None:
    """Also in an evaluation in float64; counts of bits beyond the type leave nothing, or the sign."""
    x = np.array([1.0, np.pi, -0.0])
    bits = x.astype(np.float32).view(np.int32)
    for dtype in ("float32", "float64"):
        np.testing.assert_array_equal(BitCast(to="int32").evaluate(x.astype(dtype)), bits)
    np.testing.assert_array_equal(BitCast(to="int64").evaluate(x), x.view(np.int64))
    np.testing.assert_array_equal(BitCast(to="uint32").evaluate(bits), bits.view(np.uint32))
    counts = np.int8([0, 1, 7, 8, 100, -1])
    for a in (np.int8([-128, -5, -1, 5, 127, -7]), np.uint8([1, 5, 200, 255, 128, 3])):
        exact = a.astype(int)
        inside = (counts >= 0) & (counts < 8)
        shifts = np.where(inside, counts, 0)
        left = BitShiftLeft().evaluate(a, counts.astype(a.dtype))
        np.testing.assert_array_equal(left, np.where(inside, exact << shifts, 0).astype(a.dtype))
        right = BitShiftRight().evaluate(a, counts.astype(a.dtype))
        np.testing.assert_array_equal(right, np.where(inside, exact >> shifts, -1 * (exact < 0)).astype(a.dtype))


def test_steps_of_narrow_types() -> None:
    assert RoundTo(to="float16").step == float(np.finfo(np.float16).eps)
    assert RoundTo(to="bfloat16").step == 2.0**-7


BOXES = np.array([[[0, 0, 2, 2], [0, 0, 2, 1.9], [2, 2, 0, 0.5], [5, 5, 6, 6], [3, 3, 3, 4], [0, 1, 2, 3]]], float)


def chosen(**options: object) -> list[int]:
    given = {"most": 9, "overlap": 0.5, "least": None, "scores": [5, 4, 3, 2, 1, 0], "center": False, **options}
    scores = np.array([[given["scores"]]], float)
    limits = [None if given[name] is None else np.array(given[name]) for name in ("most", "overlap", "least")]
    operator = NonMaxSuppression(count="n", center_point_box=given["center"])
    return [box for _, _, box in operator.evaluate(BOXES, scores, *limits).tolist()]


def test_boxes() -> None:
    """Boxes by descending scores, without those that overlap a better one by more than a share of their union."""
    assert chosen() == [0, 3, 4, 5]
    assert chosen(overlap=0.3) == [0, 3, 4]  # the union of 0 and 5 is three times what they share
    assert chosen(overlap=1.0) == [0, 1, 2, 3, 4, 5]
    assert chosen(overlap=0.95) == [0, 1, 2, 3, 4, 5]  # 1.9 / 2 is not more
    assert chosen(overlap=0.94) == [0, 2, 3, 4, 5] == chosen(overlap=0.75)
    assert chosen(overlap=0.74) == [0, 3, 4, 5]
    assert chosen(most=2) == [0, 3]
    assert chosen(most=0) == chosen(most=None) == []
    assert chosen(least=2.0) == [0]  # a score must be larger
    assert chosen(least=1.9) == [0, 3]
    assert chosen(overlap=None) == [0, 3, 4]
    assert chosen(scores=[1, 1, 1, 1, np.nan, 1]) == [0, 3, 5]
    assert chosen(scores=[0, 1, 2, 3, 4, 5]) == [5, 4, 3, 2]
    assert chosen(center=True, overlap=0.3) == [0, 2, 3, 4]


def test_ranges_and_distinct_elements() -> None:
    given = [np.array(value, np.float32) for value in (0.0, 1.0, 0.25)]
    np.testing.assert_array_equal(Range(count="n").evaluate(*given), np.float32([0, 0.25, 0.5, 0.75]))
    for start, limit, step, expected in ((5, 0, -2, [5, 3, 1]), (0, 0, 1, []), (3, 1, 1, []), (-1, 2, 3, [-1])):
        found = Range(count="n").evaluate(*(np.array(value) for value in (start, limit, step)))
        assert found.tolist() == expected
        assert found.dtype == np.int64
    for ascending, expected in ((True, [1, 2, 3]), (False, [3, 1, 2])):
        values, *_ = Unique(count="n", sorted=ascending).evaluate(np.array([3, 1, 3, 2]))
        assert values.tolist() == expected


def test_probabilities_of_pairs() -> None:
    """Consistent pairs give the probabilities that they come from, to the accuracy at which the iteration stops."""
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3]])
    first, second = np.triu_indices(3, 1)
    r = p[:, first] / (p[:, first] + p[:, second])
    found = PairwiseCoupling(num_classes=3).evaluate(r)
    np.testing.assert_allclose(found, p, atol=0.005)
    np.testing.assert_allclose(found.sum(1), 1)
    single = np.concatenate([PairwiseCoupling(num_classes=3).evaluate(row[np.newaxis]) for row in r])
    np.testing.assert_array_equal(found, single)
    two = PairwiseCoupling(num_classes=2).evaluate(np.float32([[0.25]]))
    assert two.dtype == np.float32
    np.testing.assert_allclose(two, [[0.25, 0.75]], atol=0.005)


def test_operators_take_attributes_by_name_only() -> None:
    """So that a new attribute may stand anywhere. What describes axes cannot be changed."""
    for name, operator in all_operators().items():
        assert all(field.kw_only for field in dataclasses.fields(operator)), name
    for value, field in ((Pick(3), "size"), (Axis(5, 3, 1, 1), "size")):
        with pytest.raises(AttributeError):
            setattr(value, field, 4)
