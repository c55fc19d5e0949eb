"""Decision trees: gradient boosting and random forests, in the forms of ai.onnx.ml 1, 3 and 5."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.nodes.scores import ML, both, class_count, in_floats, labelled, transformed
from sofie_jit.frontends.onnx.tree_layout import LEAF, MEMBER, Nodes, tables, without_sets
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.decision_trees import DecisionTrees

MODES = [*("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"), MEMBER]
"""Modes of nodes by their numbers in version 5."""


def _numbers(call: OnnxCall, name: str) -> np.ndarray:
    """Numbers that are a list, or since version 3 a tensor."""
    tensor = call.tensor(f"{name}_as_tensor")
    return np.array(call.numbers(name) or [], np.float32) if tensor is None else tensor.array.ravel()


def _integers(call: OnnxCall, name: str, count: int) -> np.ndarray:
    values = np.array(call.integers(name) or [], np.int64)
    if len(values) != count:
        call.refuse(f"'{name}' has {len(values)} elements; expected {count}")
    return values


def _find(call: OnnxCall, keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The index of each wanted key."""
    order = np.argsort(keys, kind="stable")
    at = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)] if len(keys) else wanted
    if not len(keys) or not np.array_equal(keys[at], wanted):
        call.refuse("a node refers to a node that does not exist")
    return at


def _listed_nodes(call: OnnxCall, prefix: str) -> Nodes:
    """Nodes of versions 1 and 3, which are numbered in each tree."""
    call.ignore("nodes_hitrates", "nodes_hitrates_as_tensor")
    modes = np.array(call.texts("nodes_modes") or [], object)
    count, thresholds = len(modes), _numbers(call, "nodes_values")
    trees, ids, yes, no, features = (
        _integers(call, f"nodes_{name}", count)
        for name in ("treeids", "nodeids", "truenodeids", "falsenodeids", "featureids")
    )
    missing = (
        _integers(call, "nodes_missing_value_tracks_true", count)
        if call.has("nodes_missing_value_tracks_true")
        else 0 * ids
    )
    if len(thresholds) != count or not count:
        call.refuse(f"it has {count} nodes and {len(thresholds)} thresholds")
    _, tree = np.unique(trees, return_inverse=True)
    stride = int(max(ids.max(), yes.max(), no.max())) + 1
    if ids.min() < 0 or stride > 2**31:
        call.refuse("the numbers of its nodes are negative or too large")
    keys, inner = tree * stride + ids, modes != LEAF
    if len(np.unique(keys)) < count:
        call.refuse("two nodes of a tree have the same number")
    children = [np.full(count, -1), np.full(count, -1)]
    for child, given in zip(children, (yes, no), strict=True):
        child[inner] = _find(call, keys, (tree * stride + given)[inner])
    _, roots = np.unique(tree, return_index=True)
    of_weight = [np.array(call.integers(f"{prefix}_{name}") or [], np.int64) for name in ("treeids", "nodeids")]
    known = np.unique(trees)
    place = _find(call, known, of_weight[0]) * stride + of_weight[1]
    return Nodes(
        modes, features, thresholds, children[0], children[1], (missing != 0) | (modes == "BRANCH_NEQ"), np.sort(roots),
        _find(call, keys, place),
    )  # fmt: skip


def _ensemble(
    call: OnnxCall, x: Symbol, nodes: Nodes, base: np.ndarray, targets: np.ndarray, weights: np.ndarray, aggregate: str
) -> Symbol:
    """DecisionTrees (rows, targets) in the type of ``x``."""
    if not len(targets) == len(weights) == len(nodes.leaf_of_weight):
        call.refuse(f"it has {len(weights)} weights for {len(targets)} targets")
    if len(targets) and not 0 <= targets.min() <= targets.max() < len(base):
        call.refuse(f"a weight belongs to a target that does not exist; there are {len(base)}")
    found = tables(nodes)
    arrays = {
        "base": base.astype(x.dtype), "thresholds": found.thresholds.astype(x.dtype), "nodes": found.nodes,
        "roots": found.roots, "targets": targets[found.weights].astype(np.int32),
        "weights": weights[found.weights].astype(x.dtype),
    }  # fmt: skip
    constants = [call.constant(values, name) for name, values in arrays.items()]
    return call.add(DecisionTrees(aggregate=aggregate, least_features=found.features), x, *constants)


@node("TreeEnsembleRegressor", domain=ML)
def tree_ensemble_regressor(call: OnnxCall, x: Symbol) -> Symbol:
    """Sums of the weights of leaves, (rows, targets)."""
    x, count = in_floats(x), call.integer("n_targets", 1)
    base, weights = _numbers(call, "base_values"), _numbers(call, "target_weights")
    if len(base) not in (0, count):
        call.refuse(f"it has {len(base)} base_values for {count} targets")
    targets = np.array(call.integers("target_ids") or [], np.int64)
    start = base if len(base) else np.zeros(count, np.float32)
    nodes, aggregate = _listed_nodes(call, "target"), call.text("aggregate_function", "SUM")
    return ops.cast(transformed(call, _ensemble(call, x, nodes, start, targets, weights, aggregate)), "float32")


@node("TreeEnsembleClassifier", domain=ML)
def tree_ensemble_classifier(call: OnnxCall, x: Symbol) -> tuple[Symbol, Symbol]:
    """Labels, and scores (rows, classes); in files with two classes, weights are often given for one of them only."""
    x, count = in_floats(x), class_count(call, "classlabels_int64s", "classlabels_strings")
    base, weights = _numbers(call, "base_values"), _numbers(call, "class_weights")
    ids = np.array(call.integers("class_ids") or [], np.int64)
    nodes = _listed_nodes(call, "class")
    used = sorted(set(ids.tolist()))
    if len(base) not in (0, count) and (used != [0] or count != 2 or len(base) > 1):
        call.refuse(f"it has {len(base)} base_values for {count} classes")
    if count == 2 and len(used) == 1:
        if len(base) == count or (len(base) and used != [0]):
            call.refuse(f"it has {len(base)} base_values, but weights of class {used[0]} only")
        column = _ensemble(call, x, nodes, base if len(base) else np.zeros(1), 0 * ids, weights, "SUM")
        index, scores = _one_of_two(call, column, bool((weights >= 0).all()), used == [0])
    else:
        raw = _ensemble(call, x, nodes, base if len(base) else np.zeros(count), ids, weights, "SUM")
        index, scores = ops.argmax(raw, -1), transformed(call, raw)
    labels = labelled(call, index, "classlabels_int64s", "classlabels_strings", count)
    return labels, ops.cast(scores, "float32")


def _one_of_two(call: OnnxCall, score: Symbol, is_probability: bool, is_first: bool) -> tuple[Symbol, Symbol]:
    """Index and scores of two classes if weights of one are given, as ONNX Runtime computes them.

    ``is_first``: the weights have the index 0. They are those of the second class nevertheless, and the score of the
    other class follows.
    """
    limit = np.array(0.5 if is_probability else 0, score.dtype)
    index = ops.cast(ops.reshape(ops.greater(score, limit), (-1,)), "int64")
    if not is_first:
        return index, transformed(call, both(ops.multiply(score, np.zeros((), score.dtype)), score))
    if call.text("post_transform", "NONE") == "LOGISTIC":
        return index, transformed(call, both(ops.negative(score), score))
    return index, both(ops.subtract(1.0, score) if is_probability else ops.negative(score), score)


@node("TreeEnsemble", since=5, domain=ML)
def tree_ensemble(call: OnnxCall, x: Symbol) -> Symbol:
    """The form of version 5: nodes are numbered over all trees, and leaves are apart."""
    call.ignore("nodes_hitrates")
    splits, numbers, leaf_weights = (call.tensor(name) for name in ("nodes_splits", "nodes_modes", "leaf_weights"))
    if splits is None or numbers is None or leaf_weights is None:
        call.refuse("nodes_splits, nodes_modes or leaf_weights is missing")
    count, weights = len(splits.array), leaf_weights.array
    targets = _integers(call, "leaf_targetids", len(weights))
    features = _integers(call, "nodes_featureids", count)
    missing = (
        _integers(call, "nodes_missing_value_tracks_true", count)
        if call.has("nodes_missing_value_tracks_true")
        else 0 * features
    )
    children = []
    for name in ("true", "false"):
        ids, to_leaf = (_integers(call, f"nodes_{name}{kind}", count) for kind in ("nodeids", "leafs"))
        children.append(np.where(to_leaf != 0, count + ids, ids))
    none, roots = np.full(len(weights), -1), np.array(call.integers("tree_roots") or [], np.int64)
    modes = np.array([MODES[mode] for mode in numbers.array.ravel().tolist()] + [LEAF] * len(weights), object)
    nodes = Nodes(
        modes, np.append(features, 0 * none), np.append(splits.array, np.zeros(len(weights), splits.array.dtype)),
        np.append(children[0], none), np.append(children[1], none),
        np.append(missing != 0, none > 0) | (modes == "BRANCH_NEQ"), roots, count + np.arange(len(weights)),
    )  # fmt: skip
    if MEMBER in modes:
        nodes = without_sets(nodes, _sets(call, int((modes == MEMBER).sum())))
    aggregate = ("AVERAGE", "SUM", "MIN", "MAX")[call.integer("aggregate_function", 1)]
    transform = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")[call.integer("post_transform", 0)]
    base = np.zeros(call.integer("n_targets"))
    return transformed(call, _ensemble(call, in_floats(x), nodes, base, targets, weights, aggregate), transform)


def _sets(call: OnnxCall, count: int) -> list[np.ndarray]:
    """The numbers of each node of the mode MEMBER; NaN ends those of a node."""
    given = call.tensor("membership_values")
    values = np.zeros(0, np.float32) if given is None else given.array.ravel()
    ends = np.flatnonzero(np.isnan(values))
    if len(values) and not np.isnan(values[-1]):
        ends = np.append(ends, len(values))
    if len(ends) != count:
        call.refuse(f"membership_values has {len(ends)} sets, which end with NaN; {count} nodes have one")
    return [part[~np.isnan(part)] for part in np.split(values, ends[:-1] + 1)]
