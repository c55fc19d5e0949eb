"""Decision trees of a file in the layout of the operator DecisionTrees."""

from __future__ import annotations

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

    Raises ModelFileError if a node is missing or is reached on two ways, or a feature does not exist.
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
    """The nodes in an order in which two children are neighbors and trees stay together, leaves as often as they are
    reached; the places of the roots, and of the first child of each node.
    """
    swapped = _swapped(nodes)
    first, second = np.where(swapped, nodes.no, nodes.yes), np.where(swapped, nodes.yes, nodes.no)
    levels, trees, size = [nodes.roots], [np.arange(len(nodes.roots))], len(nodes.roots)
    first_child = np.full(len(nodes), -1)
    while len(levels[-1]):
        inner = ~is_leaf[levels[-1]]
        parents = levels[-1][inner]
        if (first_child[parents] >= 0).any() or len(np.unique(parents)) < len(parents):
            raise ModelFileError("a node of a tree is reached on two ways")
        first_child[parents] = size + 2 * np.arange(len(parents))
        children = np.stack([first[parents], second[parents]], 1).ravel()
        if not ((children >= 0) & (children < len(nodes))).all():
            raise ModelFileError("a child of a node of a tree does not exist")
        levels.append(children)
        trees.append(np.repeat(trees[-1][inner], 2))
        size += len(children)
    by_tree = np.argsort(np.concatenate(trees), kind="stable")
    place = np.empty(size, int)
    place[by_tree] = np.arange(size)
    is_reached = first_child >= 0
    first_child[is_reached] = place[first_child[is_reached]]
    return np.concatenate(levels)[by_tree], place[: len(nodes.roots)], first_child
