"""Losses, which some modules return."""

from __future__ import annotations

import math
from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol

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
    """The negative logarithm of the target's softmax."""
    if label_smoothing or target.dtype.startswith("float"):
        call.refuse("probabilities as targets and label_smoothing= are not supported")
    return nll_loss(call, ops.log_softmax(x, 1 if x.rank > 1 else 0), target, weight, reduction, ignore_index)
