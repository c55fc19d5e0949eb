"""Losses, which some exporters leave in a model."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol


@node("NegativeLogLikelihoodLoss", since=12)
def negative_log_likelihood_loss(call: OnnxCall, x: Symbol, target: Symbol, weight: Symbol | None = None) -> Symbol:
    """The negative log-probabilities ``x`` of the classes ``target``, weighted by class, and their mean or sum."""
    return _loss(call, x, target, weight)


@node("SoftmaxCrossEntropyLoss", since=12)
def softmax_cross_entropy_loss(
    call: OnnxCall, scores: Symbol, target: Symbol, weight: Symbol | None = None
) -> tuple[Symbol, Symbol]:
    """The same for the logarithm of the softmax of ``scores``, which is the second output."""
    x = ops.log_softmax(scores, axis=1)
    return _loss(call, x, target, weight), x


def _loss(call: OnnxCall, x: Symbol, target: Symbol, weight: Symbol | None) -> Symbol:
    reduction = call.text("reduction", "mean")
    if reduction not in ("none", "sum", "mean"):
        call.refuse(f"reduction is {reduction!r}; expected none, sum or mean")
    counts = None
    if call.has("ignore_index"):
        counts = ops.not_equal(target, np.array(call.integer("ignore_index"), target.dtype))
        target = ops.where(counts, target, np.array(0, target.dtype))
    losses = ops.negative(ops.squeeze(ops.take_along_axis(x, ops.expand_dims(target, 1), 1), [1]))
    weights = None if weight is None else ops.take(weight, target, 0)
    if counts is not None:
        weights = ops.where(counts, 1.0 if weights is None else weights, np.array(0, x.dtype))
        weights = ops.cast(weights, x.dtype)
        losses = ops.where(counts, losses, np.array(0, x.dtype))  # 0 even if the loss is infinite
    if weights is not None:
        losses = ops.multiply(losses, weights)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return ops.sum(losses)
    return ops.mean(losses) if weights is None else ops.divide(ops.sum(losses), ops.sum(weights))
