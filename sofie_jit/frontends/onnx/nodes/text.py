"""Counts of n-grams."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.types import check_table


@node("TfIdfVectorizer", since=9)
def tf_idf_vectorizer(call: OnnxCall, x: Symbol) -> Symbol:
    """How often each n-gram of a list of integers occurs in each row of ``x``, weighted."""
    call.ignore("pool_strings")
    pool, starts, columns = (call.integers(name) for name in ("pool_int64s", "ngram_counts", "ngram_indexes"))
    if pool is None or starts is None or columns is None:
        call.refuse("pool_int64s, ngram_counts or ngram_indexes is missing; n-grams of strings are not supported")
    mode, most_skipped = call.text("mode"), call.integer("max_skip_count")
    lengths = range(call.integer("min_gram_length"), call.integer("max_gram_length") + 1)
    weights = np.array(call.numbers("weights") or [1.0] * len(columns))
    if mode not in ("TF", "IDF", "TFIDF") or len(weights) != len(columns):
        call.refuse(f"mode is {mode!r} with {len(weights)} weights for {len(columns)} n-grams")
    rows = x if x.rank == 2 else ops.reshape(x, (1, -1))
    size = static_dim("TfIdfVectorizer", rows.shape, 1)
    grams = {
        n: np.array(pool[start:end]).reshape(-1, n)
        for n, start, end in zip(range(1, len(starts) + 1), starts, [*starts[1:], len(pool)], strict=True)
    }
    first = {n: sum(len(grams[m]) for m in grams if m < n) for n in grams}
    counts: list[Symbol] = []
    places: list[int] = []
    for n in (n for n in grams if n in lengths and len(grams[n])):
        found = None
        for skip in range(most_skipped + 1 if n > 1 else 1):  # single elements have no gaps
            windows = size - (n - 1) * (skip + 1)
            if windows <= 0:
                break
            check_table("TfIdfVectorizer", windows, grams[n].size)
            at = np.arange(windows)[:, np.newaxis] + np.arange(n) * (skip + 1)
            taken = ops.reshape(ops.take(rows, at, 1), (rows.shape[0], 1, windows, n))
            table = grams[n].reshape(1, -1, 1, n).astype(x.dtype)
            count = ops.sum(ops.cast(ops.all(ops.equal(taken, table), -1), "float32"), -1)
            found = count if found is None else ops.add(found, count)
        if found is not None:
            counts.append(found)
            places += range(first[n], first[n] + len(grams[n]))
    width = max(columns) + 1
    check_table("TfIdfVectorizer", len(places), width)
    factors = np.zeros((len(places), width), np.float32)
    factors[np.arange(len(places)), np.array(columns)[places]] = 1 if mode == "TF" else weights[places]
    if not counts:
        shape = [static_dim("TfIdfVectorizer", rows.shape, 0), width]
        return call.constant(np.zeros(shape if x.rank == 2 else width, np.float32), "counts")
    total = ops.concatenate(counts, 1) if len(counts) > 1 else counts[0]
    if mode == "IDF":
        total = ops.cast(ops.greater(total, 0.0), "float32")
    y = ops.matmul(total, factors)
    return y if x.rank == 2 else ops.reshape(y, (width,))
