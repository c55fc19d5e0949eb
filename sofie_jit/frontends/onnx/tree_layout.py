"""Decision trees of a file in the layout of the operator DecisionTrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sofie_jit.errors import ModelFileError
from sofie_jit.ir.operators.decision_trees import EQ, LEQ, LT, NAN_FIRST

COMPARISONS = {
    "BRANCH_LEQ": (LEQ, False), "BRANCH_LT": (LT, False), "BRANCH_GTE": (LT, True), "BRANCH_GT": (LEQ, True),
    "BRANCH_EQ": (EQ, False), "BRANCH_NEQ": (EQ, True),
}  # fmt: skip
"""Mode of a node -> code, and whether the child for "true" comes second."""
LEAF = "LEAF"
MEMBER = "BRANCH_MEMBER"
"""The mode of a node that looks for the feature in a set of numbers; :func:`without_sets` replaces it."""


@dataclass
class Nodes:
    """The nodes of all trees, leaves included."""

    modes: np.ndarray
    """Names in :data:`COMPARISONS`, or :data:`LEAF`."""
    features: np.ndarray
    thresholds: np.ndarray
    yes: np.ndarray
    """The index of the node that follows if the comparison holds; -1 for a leaf."""
    no: np.ndarray
    nan_is_yes: np.ndarray
    """Whether NaN leads to the same node as a comparison that holds."""
    roots: np.ndarray
    leaf_of_weight: np.ndarray
    """The index of the leaf that each weight belongs to."""

    def __len__(self) -> int:
        return len(self.modes)


@dataclass
class Tables:
    """Inputs of DecisionTrees; ``weights`` is the order of the weights."""

    thresholds: np.ndarray
    nodes: np.ndarray
    roots: np.ndarray
    weights: np.ndarray
    features: int
    """How many features a row must have."""


def tables(nodes: Nodes) -> Tables:
    """The layout of DecisionTrees.

    Raises ModelFileError if a node is missing or leads back to itself, or a feature does not exist.
    """
    is_leaf = nodes.modes == LEAF
    if unknown := sorted(set(nodes.modes.tolist()) - {LEAF, *COMPARISONS}):
        raise ModelFileError(f"the mode {unknown[0]!r} of a node is not known")
    inner = np.flatnonzero(~is_leaf)
    if not ((nodes.features[inner] >= 0) & (nodes.features[inner] < 2**28)).all():
        raise ModelFileError("a node compares a feature that does not exist")
    if not ((nodes.roots >= 0) & (nodes.roots < len(nodes))).all():
        raise ModelFileError("the root of a tree does not exist")
    order, roots, first_child = _order(nodes, is_leaf)
    if not is_leaf[nodes.leaf_of_weight].all():
        raise ModelFileError("a weight belongs to a node that is no leaf")
    codes = np.array([COMPARISONS[mode][0] if mode != LEAF else 0 for mode in nodes.modes.tolist()])
    counts = np.bincount(nodes.leaf_of_weight, minlength=len(nodes))
    inner_pairs = np.stack(
        [8 * nodes.features + codes + NAN_FIRST * (nodes.nan_is_yes ^ _swapped(nodes)), first_child], 1
    )
    leaf_pairs = np.stack([-1 - counts, np.cumsum(counts) - counts], 1)
    pairs = np.where(is_leaf[:, np.newaxis], leaf_pairs, inner_pairs)[order]
    by_leaf = np.argsort(nodes.leaf_of_weight, kind="stable")
    return Tables(
        nodes.thresholds[order],
        pairs.astype(np.int32),
        roots.astype(np.int32),
        by_leaf,
        1 + int(nodes.features[inner].max(initial=-1)),
    )


def _swapped(nodes: Nodes) -> np.ndarray:
    return np.array([mode != LEAF and COMPARISONS[mode][1] for mode in nodes.modes.tolist()], bool)


def _order(nodes: Nodes, is_leaf: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nodes in an order in which two children are neighbors, parents come first and trees stay together; the places
    of the roots, and of the first child of each node.

    A node is listed as often as it is reached, but its children once: behind all its parents, in the last tree.
    """
    children = np.stack([nodes.yes, nodes.no], 1)
    children[_swapped(nodes)] = children[_swapped(nodes), ::-1]
    waiting = _parents(children, nodes.roots, is_leaf)
    levels, trees, size = [nodes.roots], [np.arange(len(nodes.roots))], len(nodes.roots)
    first_child, last_tree = np.full(len(nodes), -1), np.full(len(nodes), -1)
    while len(arrived := levels[-1]):
        np.subtract.at(waiting, arrived, 1)
        np.maximum.at(last_tree, arrived, trees[-1])
        complete = arrived[~is_leaf[arrived] & (waiting[arrived] == 0)]
        parents = complete[np.sort(np.unique(complete, return_index=True)[1])]
        first_child[parents] = size + 2 * np.arange(len(parents))
        levels.append(children[parents].ravel())
        trees.append(np.repeat(last_tree[parents], 2))
        size += 2 * len(parents)
    if (waiting > 0).any():
        raise ModelFileError("a node of a tree leads back to itself")
    by_tree = np.argsort(np.concatenate(trees), kind="stable")
    place = np.empty(size, int)
    place[by_tree] = np.arange(size)
    has_children = first_child >= 0
    first_child[has_children] = place[first_child[has_children]]
    return np.concatenate(levels)[by_tree], place[: len(nodes.roots)], first_child


def _parents(children: np.ndarray, roots: np.ndarray, is_leaf: np.ndarray) -> np.ndarray:
    """How often each node is a root, or the child of a node that a root leads to."""
    counts, level = np.zeros(len(children), int), roots
    while len(level):
        new = np.unique(level[counts[level] == 0])
        np.add.at(counts, level, 1)
        level = children[new[~is_leaf[new]]].ravel()
        if not ((level >= 0) & (level < len(children))).all():
            raise ModelFileError("a child of a node of a tree does not exist")
    return counts


def without_sets(nodes: Nodes, sets: Sequence[np.ndarray]) -> Nodes:
    """The same trees with a chain of comparisons for each node of the mode :data:`MEMBER`.

    ``sets``: the numbers for which the comparison of each of them holds, in the order of the nodes. All comparisons of
    a chain lead to the same node if they hold.
    """
    members = np.flatnonzero(nodes.modes == MEMBER)
    modes, thresholds = nodes.modes.copy(), nodes.thresholds.copy()
    modes[members] = "BRANCH_EQ"
    thresholds[members] = [values[0] if len(values) else np.nan for values in sets]
    source, later, yes, no = list(range(len(nodes))), thresholds.tolist(), nodes.yes.tolist(), nodes.no.tolist()
    for member, values in zip(members.tolist(), sets, strict=True):
        last, failed = member, no[member]
        for value in values[1:].tolist():
            no[last] = len(source)
            last = len(source)
            for numbers, number in ((source, member), (later, value), (yes, yes[member]), (no, failed)):
                numbers.append(number)
    index = np.array(source)
    return Nodes(
        modes[index], nodes.features[index], np.array(later, nodes.thresholds.dtype), np.array(yes), np.array(no),
        nodes.nan_is_yes[index], nodes.roots, nodes.leaf_of_weight,
    )  # fmt: skip
