"""Attention and its kin against the formulas of ONNX, in float64 numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from single_node import Random, check, computed, model

from sofie_jit import frontends
from sofie_jit.errors import SofieError
from sofie_jit.verification.evaluate import evaluate

numbers = Random(0).numbers
BATCH, HEADS, QUERIES, KEYS, SIZE = 2, 4, 3, 5, 6
Q, K, V = numbers(BATCH, HEADS, QUERIES, SIZE), numbers(BATCH, HEADS, KEYS, SIZE), numbers(BATCH, HEADS, KEYS, 2)
PAST_K, PAST_V = numbers(BATCH, HEADS, 2, SIZE), numbers(BATCH, HEADS, 2, 2)
MASK = np.random.default_rng(1).random((BATCH, HEADS, QUERIES, KEYS)) < 0.7
MASK[..., 0] = True


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - np.max(x, -1, keepdims=True, initial=-1e30))
    return powers / powers.sum(-1, keepdims=True)


def expected(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, allowed: np.ndarray | None = None, bias: Any = 0.0,
    scale: float | None = None, softcap: float = 0.0,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    """The output, and the scores as products, after the softcap, after the mask and as weights."""
    q, k, v = (x.astype(float) for x in (q, k, v))
    repeats = q.shape[1] // k.shape[1]
    k, v = k.repeat(repeats, 1), v.repeat(repeats, 1)
    product = q @ k.swapaxes(-1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    capped = softcap * np.tanh(product / softcap) if softcap else product
    biased = capped + (0 if allowed is None else np.where(allowed, 0, -np.inf)) + bias
    weights = softmax(biased)
    return weights @ v, product, capped, biased, weights


def positions(queries: int, keys: int, past: int = 0) -> np.ndarray:
    """How far each key is ahead of each query."""
    return np.arange(keys) - np.arange(queries)[:, np.newaxis] - past


CASES: dict[str, tuple[list[Any], dict[str, Any], dict[str, Any]]] = {
    # inputs, attributes, arguments of expected()
    "defaults": ([Q, K, V], {}, {}),
    "scale": ([Q, K, V], {"scale": 0.3}, {"scale": 0.3}),
    "softcap": ([Q, K, V], {"softcap": 0.7}, {"softcap": 0.7}),
    "causal": ([Q, K, V], {"is_causal": 1}, {"allowed": positions(QUERIES, KEYS) <= 0}),
    "bool mask": ([Q, K, V, MASK], {}, {"allowed": MASK}),
    "mask of one head": ([Q, K, V, MASK[:, :1]], {}, {"allowed": MASK[:, :1]}),
    "causal mask": ([Q, K, V, MASK], {"is_causal": 1}, {"allowed": MASK & (positions(QUERIES, KEYS) <= 0)}),
    "added mask": ([Q, K, V, numbers(QUERIES, KEYS)], {}, {}),
    "causal added mask": (
        [Q, K, V, numbers(QUERIES, KEYS)], {"is_causal": 1}, {"allowed": positions(QUERIES, KEYS) <= 0}),
    "short mask": ([Q, K, V, MASK[..., :4]], {}, {"allowed": MASK & (np.arange(KEYS) < 4)}),
    "grouped heads": ([Q, K[:, :2], V[:, :2]], {}, {}),
    "one head": ([Q, K[:, :1], V[:, :1]], {}, {}),
    "softmax in float64": ([Q, K, V], {"softmax_precision": TensorProto.DOUBLE}, {}),
    "softmax in float32": ([Q, K, V], {"softmax_precision": TensorProto.FLOAT}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_attention(name: str) -> None:
    given, attributes, options = CASES[name]
    if name.endswith("added mask"):
        options = {**options, "bias": given[3].astype(float)}
    y, *scores = expected(*given[:3], **options)
    content = model("Attention", given, attributes, 23)
    check(name, content, given, lambda *_: y.astype(np.float32), tolerance=1e-5)
    for mode, wanted in enumerate(scores):
        chosen = {**attributes, "qk_matmul_output_mode": mode}
        found = computed(model("Attention", given, chosen, 23, outputs=["", "", "", "y3"]), given)[0]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5, err_msg=f"{name} {mode}")
    casts = [op for op in frontends.open(content)().operators if op.op_type == "Cast"]
    assert len(casts) == 2 * (name == "softmax in float64")


@pytest.mark.parametrize("left", [-1, 0, 1])
@pytest.mark.parametrize("right", [-1, 0, 2])
@pytest.mark.parametrize("causal", [0, 1])
def test_windows(left: int, right: int, causal: int) -> None:
    ahead = positions(QUERIES, KEYS)
    allowed = (ahead <= (0 if causal else KEYS)) & ((left < 0) | (ahead >= -left)) & ((right < 0) | (ahead <= right))
    options = {"is_causal": causal, "left_window_size": left, "right_window_size": right}
    (found,) = computed(model("Attention", [Q, K, V], options, 25), [Q, K, V])
    np.testing.assert_allclose(found, expected(Q, K, V, allowed=allowed)[0], rtol=1e-5, atol=1e-5)


def test_past_keys_and_packed_heads() -> None:
    given = [Q, K, V, None, PAST_K, PAST_V]
    k, v = np.concatenate([PAST_K, K], 2), np.concatenate([PAST_V, V], 2)
    content = model("Attention", given, {"is_causal": 1}, 23, outputs=["y", "k", "v"])
    y, *present = computed(content, given)
    allowed = positions(QUERIES, KEYS + 2, 2) <= 0
    np.testing.assert_allclose(y, expected(Q, k, v, allowed=allowed)[0], rtol=1e-5, atol=1e-5)
    for found, wanted in zip(present, (k, v), strict=True):
        np.testing.assert_array_equal(found, wanted)
    flat = [x.transpose(0, 2, 1, 3).reshape(BATCH, x.shape[2], -1).copy() for x in (Q, K, V)]
    content = model("Attention", flat, {"q_num_heads": HEADS, "kv_num_heads": HEADS}, 23)
    wanted = expected(Q, K, V)[0].transpose(0, 2, 1, 3).reshape(BATCH, QUERIES, -1)
    np.testing.assert_allclose(computed(content, flat)[0], wanted, rtol=1e-5, atol=1e-5)


def test_past_keys_of_an_open_number() -> None:
    text = """<ir_version: 10, opset_import: ["" : 23]> g (float[2,4,3,6] q, float[2,4,5,6] k, float[2,4,5,2] v,
        float[2,4,past,6] a, float[2,4,past,2] b) => (float[2,4,3,2] y)
        { y = Attention<is_causal=1>(q, k, v, , a, b) }"""
    rmodel = frontends.open(onnx.parser.parse_model(text).SerializeToString())()
    for past in (2, 0):
        given = [Q, K, V, PAST_K[:, :, :past], PAST_V[:, :, :past]]
        k, v = np.concatenate([given[3], K], 2), np.concatenate([given[4], V], 2)
        allowed = positions(QUERIES, KEYS + past, past) <= 0
        (y,) = evaluate(rmodel, given)
        np.testing.assert_allclose(y, expected(Q, k, v, allowed=allowed)[0], rtol=1e-5, atol=1e-5)


def test_lengths_of_keys() -> None:
    """Keys after the length of a sample do not count; causal attention ends at the last one that counts."""
    lengths = np.int64([5, 3])
    given = [Q, K, V, None, None, None, lengths]
    inside = np.arange(KEYS) < lengths[:, np.newaxis, np.newaxis, np.newaxis]
    for causal in (0, 1):
        ahead = np.arange(KEYS) - np.arange(QUERIES)[:, np.newaxis] - (lengths.reshape(-1, 1, 1, 1) - QUERIES)
        allowed = inside & (ahead <= 0) if causal else inside
        (found,) = computed(model("Attention", given, {"is_causal": causal}, 24), given)
        np.testing.assert_allclose(found, expected(Q, K, V, allowed=allowed)[0], rtol=1e-5, atol=1e-5)


def test_queries_without_keys_give_zeros() -> None:
    mask = MASK.copy()
    mask[0, 1, 2] = False
    (found,) = computed(model("Attention", [Q, K, V, mask], {}, 23), [Q, K, V, mask])
    np.testing.assert_array_equal(found[0, 1, 2], 0)
    assert np.isfinite(found).all()


def test_rotary_embeddings() -> None:
    x, cosines, sines = numbers(2, 4, 3, 6), numbers(9, 2), numbers(9, 2)
    ids = np.int64([[3, 1, 0], [8, 2, 2]])
    for interleaved in (0, 1):
        for width in (0, 4):
            tables = (cosines, sines) if width else (numbers(9, 3), numbers(9, 3))
            given = [x, *tables, ids]
            options = {"interleaved": interleaved, "rotary_embedding_dim": width}
            (found,) = computed(model("RotaryEmbedding", given, options, 23), given)
            c, s = (table[ids][:, np.newaxis].astype(float) for table in tables)
            part = x[..., : width or 6]
            a, b = (part[..., ::2], part[..., 1::2]) if interleaved else np.split(part, 2, -1)
            pairs = [a * c - b * s, a * s + b * c]
            turned = np.stack(pairs, -1).reshape(part.shape) if interleaved else np.concatenate(pairs, -1)
            wanted = np.concatenate([turned, x[..., width or 6 :]], -1)
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
            flat = x.transpose(0, 2, 1, 3).reshape(2, 3, 24).copy()
            given = [flat, *(table[ids] for table in tables)]
            (found,) = computed(model("RotaryEmbedding", given, {**options, "num_heads": 4}, 23), given)
            np.testing.assert_allclose(found, wanted.transpose(0, 2, 1, 3).reshape(2, 3, 24), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
@pytest.mark.parametrize("heads", [4, 2])
def test_linear_attention(rule: str, heads: int) -> None:
    steps, keys, values = 4, 3, 2
    q, k, v = numbers(2, steps, 4 * keys), numbers(2, steps, heads * keys), numbers(2, steps, heads * values)
    decay = -np.abs(numbers(2, steps, heads * keys)) if "gated" in rule else None
    beta = np.abs(numbers(2, steps, heads)) if "delta" in rule else None
    past = numbers(2, heads, keys, values)
    for start, scale in ((None, {}), (past, {"scale": 0.4})):
        given = [q, k, v, start, decay, beta]
        options = {"update_rule": rule, "q_num_heads": 4, "kv_num_heads": heads, **scale}
        found, state = computed(model("LinearAttention", given, options, 27, outputs=["y", "s"]), given)

        def split(x: np.ndarray, n: int) -> np.ndarray:
            return x.astype(float).reshape(2, steps, n, -1).transpose(0, 2, 1, 3)

        rows_q, rows_k, rows_v = split(q, 4) * scale.get("scale", 1 / math.sqrt(keys)), split(k, heads), split(v, heads)
        s = np.zeros((2, heads, keys, values)) if start is None else start.astype(float)
        outputs = []
        for t in range(steps):
            key, value = rows_k[:, :, t, :, np.newaxis], rows_v[:, :, t, np.newaxis]
            if decay is not None:
                s = np.exp(split(decay, heads)[:, :, t, :, np.newaxis]) * s
            if beta is not None:
                value = (value - key.swapaxes(-1, -2) @ s) * split(beta, heads)[:, :, t, np.newaxis]
            s = s + key * value
            outputs.append(rows_q[:, :, t, np.newaxis] @ s.repeat(4 // heads, 1))
        wanted = np.concatenate(outputs, 2).transpose(0, 2, 1, 3).reshape(2, steps, -1)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(state, s, rtol=1e-4, atol=1e-5)


def flex(**graphs: tuple[str, int]) -> bytes:
    """FlexAttention with graphs of one node, given as (operator, number of inputs)."""
    bodies = {
        name: helper.make_graph(
            [helper.make_node(op, ["s"] * (2 if op == "Add" else 1), ["r"], **({"to": 11} if op == "Cast" else {}))],
            name,
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("s", "other")[:count]],
            [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)],
        )
        for name, (op, count) in graphs.items()
    }
    return model("FlexAttention", [Q, K, V], bodies, 1, "ai.onnx.preview")


def test_graphs_in_attention() -> None:
    (found,) = computed(flex(), [Q, K, V])
    np.testing.assert_allclose(found, expected(Q, K, V)[0], rtol=1e-5, atol=1e-5)
    (found,) = computed(flex(score_mod=("Add", 1)), [Q, K, V])
    np.testing.assert_allclose(found, expected(Q, K, V, scale=2 / math.sqrt(SIZE))[0], rtol=1e-5, atol=1e-5)
    (found,) = computed(flex(prob_mod=("Add", 1)), [Q, K, V])
    np.testing.assert_allclose(found, 2 * expected(Q, K, V)[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(SofieError, match="score_mod has 2 inputs and 1 outputs; expected one of each"):
        frontends.open(flex(score_mod=("Add", 2)))()
    with pytest.raises(SofieError, match=r"prob_mod returns float64 .* for float32 .*; expected the same type"):
        frontends.open(flex(prob_mod=("Cast", 1)))()
    precise = model("FlexAttention", [Q, K, V], {"softmax_precision": TensorProto.DOUBLE}, 1, "ai.onnx.preview")
    assert [op.op_type for op in frontends.open(precise)().operators].count("Cast") == 2
    np.testing.assert_allclose(computed(precise, [Q, K, V])[0], expected(Q, K, V)[0], rtol=1e-5, atol=1e-5)
