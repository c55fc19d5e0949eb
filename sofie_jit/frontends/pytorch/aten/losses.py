"""Losses, which some modules return."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.reductions import pairwise_distance
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim

NONE, MEAN, SUM = 0, 1, 2
"""Reductions of losses (``at::Reduction``)."""


def _reduced(losses: Symbol, reduction: int) -> Symbol:
    return losses if reduction == NONE else ops.mean(losses) if reduction == MEAN else ops.sum(losses)


@aten("mse_loss")
def mse_loss(call: AtenCall, x: Symbol, target: Symbol, reduction: int) -> Symbol:
    """Squares of differences."""
    return _reduced(ops.square(ops.subtract(*call.promoted(x, target))), reduction)


@aten("l1_loss")
def l1_loss(call: AtenCall, x: Symbol, target: Symbol, reduction: int) -> Symbol:
    """Magnitudes of differences."""
    return _reduced(ops.absolute(ops.subtract(*call.promoted(x, target))), reduction)


@aten("huber_loss")
def huber_loss(call: AtenCall, x: Symbol, target: Symbol, reduction: int, delta: float) -> Symbol:
    """Half the squares of small differences, else ``delta * (|difference| - delta / 2)``."""
    size = ops.absolute(ops.subtract(*call.promoted(x, target)))
    small = ops.multiply(ops.square(size), 0.5)
    losses = ops.where(ops.less_equal(size, delta), small, ops.multiply(ops.subtract(size, delta / 2), delta))
    return _reduced(losses, reduction)


@aten("smooth_l1_loss")
def smooth_l1_loss(call: AtenCall, x: Symbol, target: Symbol, reduction: int, beta: float) -> Symbol:
    """Squares of small differences divided by ``2 beta``, else ``|difference| - beta / 2``."""
    size = ops.absolute(ops.subtract(*call.promoted(x, target)))
    if beta == 0:
        return _reduced(size, reduction)
    small = ops.divide(ops.multiply(ops.square(size), 0.5), beta)
    return _reduced(ops.where(ops.less(size, beta), small, ops.subtract(size, beta / 2)), reduction)


@aten("binary_cross_entropy")
def binary_cross_entropy(call: AtenCall, x: Symbol, target: Symbol, weight: Symbol | None, reduction: int) -> Symbol:
    """``-target log(x) - (1 - target) log(1 - x)``, with logarithms of at least -100."""
    positive = ops.multiply(target, ops.maximum(ops.log(x), -100.0))
    negative = ops.multiply(ops.subtract(1.0, target), ops.maximum(ops.log1p(ops.negative(x)), -100.0))
    losses = ops.negative(ops.add(positive, negative))
    return _reduced(losses if weight is None else ops.multiply(losses, weight), reduction)


@aten("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    call: AtenCall, x: Symbol, target: Symbol, weight: Symbol | None, pos_weight: Symbol | None, reduction: int
) -> Symbol:
    """The cross entropy of ``sigmoid(x)``."""
    smooth = ops.softplus(ops.negative(x))
    factor = smooth
    if pos_weight is not None:
        factor = ops.multiply(smooth, ops.add(ops.multiply(ops.subtract(pos_weight, 1.0), target), 1.0))
    losses = ops.add(ops.multiply(ops.subtract(1.0, target), x), factor)
    return _reduced(losses if weight is None else ops.multiply(losses, weight), reduction)


@aten("kl_div")
def kl_div(call: AtenCall, x: Symbol, target: Symbol, reduction: int, log_target: bool) -> Symbol:
    """``target * (log(target) - x)``."""
    if log_target:
        losses = ops.multiply(ops.exp(target), ops.subtract(target, x))
    else:
        entropy = ops.where(ops.greater(target, 0.0), ops.multiply(target, ops.log(target)), 0.0)
        losses = ops.subtract(entropy, ops.multiply(target, x))
    return _reduced(losses, reduction)


@aten("poisson_nll_loss")
def poisson_nll_loss(
    call: AtenCall, input: Symbol, target: Symbol, log_input: bool, full: bool, eps: float, reduction: int
) -> Symbol:
    """The negative logarithm of the likelihood of Poisson's distribution."""
    if log_input:
        losses = ops.subtract(ops.exp(input), ops.multiply(target, input))
    else:
        losses = ops.subtract(input, ops.multiply(target, ops.log(ops.add(input, eps))))
    if full:
        stirling = ops.add(
            ops.subtract(ops.multiply(target, ops.log(target)), target),
            ops.multiply(ops.log(ops.multiply(target, 2 * math.pi)), 0.5),
        )
        losses = ops.add(losses, ops.where(ops.greater(target, 1.0), stirling, 0.0))
    return _reduced(losses, reduction)


@aten("nll_loss", "nll_loss_nd")
def nll_loss(call: AtenCall, x: Symbol, target: Symbol, weight: Any, reduction: int, ignore_index: int) -> Symbol:
    """The negative of the element of the target's class."""
    axis = 1 if x.rank > 1 else 0
    kept = ops.not_equal(target, ignore_index)
    classes = ops.where(kept, target, 0)
    picked = ops.squeeze(ops.take_along_axis(x, ops.expand_dims(classes, axis), axis), axis)
    weights = ops.cast(kept, x.dtype)
    if weight is not None:
        weights = ops.multiply(weights, ops.take(weight, classes, 0))
    losses = ops.negative(ops.multiply(picked, weights))
    return ops.divide(ops.sum(losses), ops.sum(weights)) if reduction == MEAN else _reduced(losses, reduction)


@aten("cross_entropy_loss")
def cross_entropy_loss(
    call: AtenCall, x: Symbol, target: Symbol, weight: Symbol | None, reduction: int, ignore_index: int,
    label_smoothing: float,
) -> Symbol:  # fmt: skip
    """The negative logarithm of the target's softmax; targets are classes or their probabilities."""
    axis = 1 if x.rank > 1 else 0
    classes = static_dim("cross_entropy_loss", x.shape, axis)
    logarithms = ops.log_softmax(x, axis)
    weighted = logarithms
    if weight is not None:
        weighted = ops.multiply(logarithms, ops.reshape(weight, (classes, *[1] * (x.rank - axis - 1))))
    share = label_smoothing / classes
    if target.dtype.startswith("float"):
        smooth = ops.add(ops.multiply(target, 1 - label_smoothing), share) if label_smoothing else target
        losses = ops.negative(ops.sum(ops.multiply(weighted, smooth), axis))
        return _reduced(losses, reduction)
    found = nll_loss(call, logarithms, target, weight, reduction, ignore_index)
    if not label_smoothing:
        return found
    kept = ops.not_equal(target, ignore_index)
    losses = ops.where(kept, ops.negative(ops.sum(weighted, axis)), 0.0)
    if reduction == MEAN:
        counts = ops.cast(kept, x.dtype)
        if weight is not None:
            counts = ops.multiply(counts, ops.take(weight, ops.where(kept, target, 0), 0))
        all_classes = ops.divide(ops.sum(losses), ops.sum(counts))
    else:
        all_classes = _reduced(losses, reduction)
    return ops.add(ops.multiply(found, 1 - label_smoothing), ops.multiply(all_classes, share))


# -- margins -----------------------------------------------------------------------------------------------------------


def _positive(x: Symbol) -> Symbol:
    return ops.maximum(x, 0.0)


@aten("margin_ranking_loss")
def margin_ranking_loss(
    call: AtenCall, input1: Symbol, input2: Symbol, target: Symbol, margin: float, reduction: int
) -> Symbol:
    """``max(0, margin - target * (input1 - input2))``."""
    product = ops.multiply(target, ops.subtract(input1, input2))
    return _reduced(_positive(ops.subtract(margin, product)), reduction)


@aten("hinge_embedding_loss")
def hinge_embedding_loss(call: AtenCall, x: Symbol, target: Symbol, margin: float, reduction: int) -> Symbol:
    """``x`` where the target is 1, ``max(0, margin - x)`` where it is -1."""
    near = ops.where(ops.not_equal(target, -1), x, 0.0)
    far = ops.where(ops.not_equal(target, 1), _positive(ops.subtract(margin, x)), 0.0)
    return _reduced(ops.add(near, far), reduction)


@aten("cosine_embedding_loss")
def cosine_embedding_loss(
    call: AtenCall, input1: Symbol, input2: Symbol, target: Symbol, margin: float, reduction: int
) -> Symbol:
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1; cos is that of the angle of rows."""
    axis = target.rank
    first, second = (ops.add(ops.sum(ops.square(x), axis), 1e-12) for x in (input1, input2))
    cosine = ops.divide(ops.sum(ops.multiply(input1, input2), axis), ops.sqrt(ops.multiply(first, second)))
    near = ops.where(ops.equal(target, 1), ops.subtract(1.0, cosine), 0.0)
    far = ops.where(ops.equal(target, -1), _positive(ops.subtract(cosine, margin)), 0.0)
    return _reduced(ops.add(near, far), reduction)


@aten("soft_margin_loss")
def soft_margin_loss(call: AtenCall, x: Symbol, target: Symbol, reduction: int) -> Symbol:
    """``log(1 + exp(-target * x))``."""
    return _reduced(ops.log1p(ops.exp(ops.negative(ops.multiply(target, x)))), reduction)


@aten("triplet_margin_loss")
def triplet_margin_loss(
    call: AtenCall, anchor: Symbol, positive: Symbol, negative: Symbol, margin: float, p: float, eps: float, swap: bool,
    reduction: int,
) -> Symbol:  # fmt: skip
    """``max(0, margin + near - far)`` for the distances of an anchor from a positive and a negative example."""
    near = pairwise_distance(call, anchor, positive, p, eps, False)
    far = pairwise_distance(call, anchor, negative, p, eps, False)
    if swap:
        far = ops.minimum(far, pairwise_distance(call, positive, negative, p, eps, False))
    return _reduced(_positive(ops.add(ops.subtract(near, far), margin)), reduction)


@aten("multi_margin_loss")
def multi_margin_loss(
    call: AtenCall, x: Symbol, target: Symbol, p: Any, margin: Any, weight: Symbol | None, reduction: int
) -> Symbol:
    """The mean over classes of ``max(0, margin - x[target] + x)^p``, without the class of the target."""
    axis, places = x.rank - 1, ops.expand_dims(target, target.rank)
    classes = static_dim("multi_margin_loss", x.shape, axis)
    gaps = _positive(ops.add(ops.subtract(x, ops.take_along_axis(x, places, axis)), float(margin)))
    losses = gaps if p == 1 else ops.square(gaps)
    if weight is not None:
        losses = ops.multiply(losses, ops.take(weight, places, 0))
    others = ops.not_equal(call.constant(np.arange(classes), "classes"), places)
    return _reduced(ops.divide(ops.sum(ops.where(others, losses, 0.0), axis), float(classes)), reduction)
