"""Operators of ai.onnx.ml against ONNX Runtime: decision trees, linear models, preprocessing."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import ModelFileError, OutOfRangeError, SofieError
from sofie_jit.verification.evaluate import evaluate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def saved(op, outputs="y", inputs=None, version=3, width=4, **attributes) -> bytes:
    inputs = inputs or {"x": X}
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), ["N", width if name == "x" else 1]
        )
        for name, array in inputs.items()
    ]
    node = helper.make_node(op, list(inputs), outputs.split(), "node", domain="ai.onnx.ml", **attributes)
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs.split()]
    if len(results) == 2:
        results[0].type.tensor_type.elem_type = TensorProto.INT64
    graph = helper.make_graph([node], "g", infos, results)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def original(content: bytes, *arrays) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {info.name: array for info, array in zip(session.get_inputs(), arrays, strict=True)})


def computed(content: bytes, *arrays) -> list[np.ndarray]:
    return evaluate(frontends.open(content)(), list(arrays))


def assert_equal(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * max(1, np.abs(theirs).max(initial=0)))


# -- trees -------------------------------------------------------------------------------------------------------------


def forest(prefix="target", trees=12, ids=(0,), modes=MODES, depth=4, low=-1.0, missing=False, **attributes):
    """Random trees whose nodes are numbered in a random order."""
    rng = np.random.default_rng(3)
    fields = ("nodeids", "treeids", "modes", "featureids", "values", "truenodeids", "falsenodeids")
    lists = {f"nodes_{name}": [] for name in fields} | {"nodes_missing_value_tracks_true": []}
    weights = {f"{prefix}_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(trees):
        number = rng.permutation(2**depth - 1).tolist()
        for node, label in enumerate(number):
            is_leaf = 2 * node + 1 >= len(number) or (node > 2 and rng.random() < 0.3)
            feature = int(rng.integers(0, 4))
            children = [0, 0] if is_leaf else [number[2 * node + 1], number[2 * node + 2]]
            value = float(X[rng.integers(0, 60), feature]) if rng.random() < 0.5 else float(rng.normal())
            mode = "LEAF" if is_leaf else str(rng.choice(modes))
            row = (label, tree, mode, feature, value, *children, int(missing and rng.random() < 0.5))
            for listed, element in zip(lists.values(), row, strict=True):
                listed.append(element)
            for target in ids if is_leaf else ():
                row = (tree, label, target, float(rng.uniform(low, 1) / trees))
                for listed, element in zip(weights.values(), row, strict=True):
                    listed.append(element)
    # the first node of a tree is its root
    return lists | weights | attributes


FORESTS = {
    "sum": {},
    "base": {"base_values": [0.25]},
    "targets": {"ids": (2, 0, 1), "n_targets": 3, "base_values": [0.5, -1.0, 2.0]},
    "average": {"aggregate_function": "AVERAGE", "ids": (0, 1), "n_targets": 2},
    "minimum": {"aggregate_function": "MIN"},
    "maximum": {"aggregate_function": "MAX", "base_values": [1.0]},
    "missing": {"missing": True},
    "one mode": {"modes": ["BRANCH_LT"]},
    "logistic": {"post_transform": "LOGISTIC", "ids": (0, 1), "n_targets": 2},
    "stumps": {"depth": 2, "trees": 3},
    "leaves": {"depth": 1, "trees": 2},
}


@pytest.mark.parametrize("name", FORESTS)
def test_regressors(name):
    content = saved("TreeEnsembleRegressor", **{"n_targets": 1, **forest(**FORESTS[name])})
    x = X.copy()
    x[::5, 1], x[3] = np.nan, [np.inf, -np.inf, 0, -0.0]
    assert_equal(computed(content, x), original(content, x))


def test_trees_in_compiled_code_and_headers(tmp_path):
    content = saved("TreeEnsembleRegressor", **forest(**FORESTS["targets"], missing=True, trees=37))
    model = sofie_jit.load(content, threads=1)
    x = RNG.normal(size=(1000, 4)).astype(np.float32)
    x[::7, 2] = np.nan
    expected = original(content, x)[0]
    exact = evaluate(frontends.open(content)(), [x], "float64")[0]
    found = model.infer(x)
    error, allowed = abs(found - exact).max(), 2 * abs(expected - exact).max()
    assert error <= max(allowed, 1e-6 * abs(exact).max())
    for rows in (0, 1, 7):
        np.testing.assert_array_equal(model.infer(x[:rows]), found[:rows], strict=True)
    assert "decision_trees" in model.save_header(tmp_path / "trees.hxx", self_test=True).read_text()
    with pytest.raises(SofieError, match="decision trees are operators of ai"):
        model.save_onnx(tmp_path / "trees.onnx")


CLASSIFIERS = {
    "three": {"ids": (0, 1, 2), "classlabels_int64s": [3, 5, 4]},
    "softmax": {
        "ids": (0, 1, 2),
        "classlabels_int64s": [0, 1, 2],
        "post_transform": "SOFTMAX",
        "base_values": [0.1, 0.2, 0.3],
    },
    "softmax zero": {"ids": (0, 1, 2), "classlabels_int64s": [0, 1, 2], "post_transform": "SOFTMAX_ZERO"},
    "probabilities of one": {"low": 0.0, "classlabels_int64s": [7, 9]},
    "margin": {"classlabels_int64s": [0, 1]},
    "logistic": {"classlabels_int64s": [0, 1], "post_transform": "LOGISTIC", "base_values": [0.3]},
    "second": {"classlabels_int64s": [0, 1], "ids": (1,)},
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name):
    content = saved("TreeEnsembleClassifier", "label scores", **forest("class", **CLASSIFIERS[name]))
    assert_equal(computed(content, X), original(content, X))


def test_trees_of_version_5():
    split = numpy_helper.from_array(np.float32([0.1, -0.5, 0.7]), "s")
    content = saved(
        "TreeEnsemble", version=5, n_targets=2, aggregate_function=1, nodes_splits=split, tree_roots=[0, 2],
        nodes_modes=numpy_helper.from_array(np.uint8([0, 1, 3]), "m"), nodes_featureids=[0, 1, 3],
        nodes_truenodeids=[1, 0, 3], nodes_trueleafs=[0, 1, 1], nodes_falsenodeids=[1, 2, 3],
        nodes_falseleafs=[1, 1, 1],
        leaf_targetids=[0, 1, 1, 0], leaf_weights=numpy_helper.from_array(np.float32([1, 2, 3, 4]), "w"),
    )  # fmt: skip
    expected = np.zeros((60, 2))
    for row, x in zip(expected, X, strict=True):
        leaf = (0 if x[1] < -0.5 else 2) if x[0] <= np.float32(0.1) else 1
        row[[0, 1, 1][leaf]] += [1, 2, 3][leaf]
        row[0] += 4
    np.testing.assert_array_equal(computed(content, X)[0], expected)


def sets(values):
    """Two nodes with sets, the second one below the first; a leaf of each weight."""
    return saved(
        "TreeEnsemble", version=5, n_targets=1, tree_roots=[0],
        nodes_splits=numpy_helper.from_array(np.float32([0, 0, 0.5]), "s"),
        nodes_modes=numpy_helper.from_array(np.uint8([6, 6, 0]), "m"), nodes_featureids=[0, 1, 2],
        nodes_truenodeids=[1, 0, 2], nodes_trueleafs=[0, 1, 1], nodes_falsenodeids=[2, 1, 3],
        nodes_falseleafs=[0, 1, 1], nodes_missing_value_tracks_true=[0, 1, 0], leaf_targetids=[0, 0, 0, 0],
        leaf_weights=numpy_helper.from_array(np.float32([1, 2, 4, 8]), "w"),
        membership_values=numpy_helper.from_array(np.float32(values), "v"),
    )  # fmt: skip


def test_sets_of_numbers():
    nan = np.nan
    x = np.float32([(a, b, c, 0) for a in (0, 1, 2, 3, nan) for b in (0, 5, 6, 7, nan) for c in (0, 1)])
    for first, second in (((0, 1, 2), (5, 7)), ((3,), ()), ((), (0, 6)), ((1, 1), (0, 0))):
        expected = [
            ([1, 2][not (b in second or b != b)] if a in first else [4, 8][c > 0.5]) for a, b, c, _ in x.tolist()
        ]
        content = sets([*first, nan, *second, nan])
        assert sofie_jit.load(content).infer(x).ravel().tolist() == expected, (first, second)
        np.testing.assert_array_equal(computed(content, x)[0].ravel(), expected)
    without = computed(sets([0, 1, 2, nan, 5, 7]), x)[0]  # the last set may lack its NaN
    np.testing.assert_array_equal(without, computed(sets([0, 1, 2, nan, 5, 7, nan]), x)[0])
    with pytest.raises(SofieError, match="has 1 sets, which end with NaN; 2 nodes"):
        frontends.open(sets([1, nan]))()


def test_nodes_that_are_reached_on_several_ways():
    """As LightGBM's categories are converted: a chain of comparisons that lead to one node, here also a deeper one."""
    content = saved(
        "TreeEnsembleRegressor", n_targets=1, nodes_treeids=[0] * 9, nodes_nodeids=list(range(9)),
        nodes_modes=["BRANCH_EQ", "BRANCH_EQ", "BRANCH_LEQ", "BRANCH_GT", *["LEAF"] * 5],
        nodes_featureids=[0, 0, 1, 2, 0, 0, 0, 0, 0], nodes_values=[1.0, 2.0, 0.1, -0.2, 0.0, 0.0, 0.0, 0.0, 0.0],
        nodes_truenodeids=[3, 3, 3, 4, 0, 0, 0, 0, 0], nodes_falsenodeids=[1, 2, 6, 5, 0, 0, 0, 0, 0],
        target_treeids=[0] * 3, target_nodeids=[4, 5, 6], target_ids=[0] * 3, target_weights=[1.0, 2.0, 4.0],
    )  # fmt: skip
    x = X.copy()
    x[:, 0] = np.arange(60) % 4
    assert_equal(computed(content, x), original(content, x))
    np.testing.assert_array_equal(sofie_jit.load(content).infer(x), original(content, x)[0])


def test_a_ring_of_nodes_is_refused():
    attributes = {
        "nodes_treeids": [0] * 4, "nodes_nodeids": [0, 1, 2, 3], "nodes_featureids": [0] * 4, "nodes_values": [0.0] * 4,
        "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF"], "nodes_truenodeids": [1, 2, 1, 0],
        "nodes_falsenodeids": [3, 3, 3, 0], "target_treeids": [0], "target_nodeids": [3], "target_ids": [0],
        "target_weights": [1.0],
    }  # fmt: skip
    with pytest.raises(ModelFileError, match="leads back to itself"):
        frontends.open(saved("TreeEnsembleRegressor", **attributes))()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes_truenodeids": [99]}, "refers to a node that does not exist"),
        ({"nodes_nodeids": [1]}, "the same number"),
        ({"nodes_featureids": [-3]}, "a feature that does not exist"),
        ({"nodes_featureids": [2**40]}, "a feature that does not exist"),
        ({"nodes_featureids": [100]}, "at most"),
        ({"nodes_modes": ["NEAR"]}, "'NEAR' of a node is not known"),
        ({"target_ids": [5]}, "a target that does not exist"),
        ({"nodes_truenodeids": [0]}, "leads back to itself"),
        ({"nodes_nodeids": [-1]}, "numbers of its nodes are negative or too large"),
        ({"nodes_falsenodeids": [2**31]}, "numbers of its nodes are negative or too large"),
        ({"target_treeids": [7]}, "refers to a node that does not exist"),
    ],
)
def test_broken_trees_are_refused(change, message):
    attributes = {
        "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [1, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_values": [0.5, 0.0, 0.0], "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0], "target_treeids": [0, 0], "target_nodeids": [1, 2], "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
    }  # fmt: skip
    assert computed(saved("TreeEnsembleRegressor", **attributes), X)
    for name, (first, *_) in change.items():
        attributes[name] = [first, *attributes[name][1:]]
    with pytest.raises((ModelFileError, SofieError), match=message):
        frontends.open(saved("TreeEnsembleRegressor", **attributes))()


TREE = {
    "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [1, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_values": [0.5, 0.0, 0.0], "nodes_truenodeids": [1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0],
}  # fmt: skip


def weights(prefix, ids):
    """Weights of the two leaves of TREE."""
    lists = {"treeids": [0, 0], "nodeids": [1, 2], "ids": ids, "weights": [1.0, 2.0]}
    return {f"{prefix}_{name}": values for name, values in lists.items()}


TARGET, TWO_CLASSES = weights("target", [0, 0]), {**weights("class", [1, 1]), "classlabels_int64s": [0, 1]}
UNEQUAL = {
    "values": (TREE | TARGET | {"nodes_values": [0.5]}, "it has 3 nodes and 1 thresholds"),
    "no nodes": ({}, "it has 0 nodes and 0 thresholds"),
    "ids": (TREE | TARGET | {"nodes_featureids": [1]}, "'nodes_featureids' has 1 elements; expected 3"),
    "weights": (TREE | TARGET | {"target_weights": [1.0]}, "it has 1 weights for 2 targets"),
    "targets": (TREE | TARGET | {"target_ids": [0]}, "it has 2 weights for 1 targets"),
    "base": (TREE | TARGET | {"base_values": [1.0, 2.0]}, "it has 2 base_values for 1 targets"),
    "classes": (
        TREE | TWO_CLASSES | {"classlabels_int64s": [0, 1, 2], "base_values": [1.0, 2.0]},
        "it has 2 base_values for 3 classes",
    ),
    "one class": (TREE | TWO_CLASSES | {"base_values": [1.0, 2.0]}, "2 base_values, but weights of class 1 only"),
    "one base": (TREE | TWO_CLASSES | {"base_values": [1.0]}, "it has 1 base_values for 2 classes"),
    "two bases of the first": (
        TREE | TWO_CLASSES | {"class_ids": [0, 0], "base_values": [1.0, 2.0]},
        "2 base_values, but weights of class 0",
    ),
}


@pytest.mark.parametrize("name", UNEQUAL)
def test_lists_of_trees_must_fit(name):
    attributes, message = UNEQUAL[name]
    op = "TreeEnsembleClassifier" if "classlabels_int64s" in attributes else "TreeEnsembleRegressor"
    content = saved(op, "label scores" if op.endswith("Classifier") else "y", **attributes)
    with pytest.raises(SofieError, match=message):
        frontends.open(content)()


@pytest.mark.parametrize("missing", ["nodes_splits", "nodes_modes", "leaf_weights"])
def test_tensors_of_trees_are_needed(missing):
    tensors = {"nodes_splits": np.float32([0]), "nodes_modes": np.uint8([0]), "leaf_weights": np.float32([1, 2])}
    given = {name: numpy_helper.from_array(array, name) for name, array in tensors.items() if name != missing}
    lists = {"nodes_featureids": [0], "nodes_truenodeids": [0], "nodes_falsenodeids": [1], "leaf_targetids": [0, 0]}
    content = saved("TreeEnsemble", version=5, n_targets=1, tree_roots=[0], nodes_trueleafs=[1], nodes_falseleafs=[1],
                    **lists, **given)  # fmt: skip
    with pytest.raises(SofieError, match="nodes_splits, nodes_modes or leaf_weights is missing"):
        frontends.open(content)()


# -- linear models, support vectors, preprocessing ---------------------------------------------------------------------

W = RNG.normal(size=12).astype(np.float32).tolist()
VECTORS = {"support_vectors": RNG.normal(size=20).astype(np.float32).tolist(), "kernel_params": [0.3, 0.2, 2.0]}
PAIRS = {
    "coefficients": RNG.normal(size=10).astype(np.float32).tolist(),
    "vectors_per_class": [2, 1, 2],
    "rho": [0.1, -0.2, 0.3],
}
LINEAR = {"kernel_type": "LINEAR", "kernel_params": [0.0] * 3}
SVR = {"coefficients": W[:5], "rho": [0.5], "n_supports": 5, **VECTORS}
TWO = {"coefficients": W[:5], "vectors_per_class": [2, 3], "rho": [0.1], "classlabels_ints": [4, 6]}
THREE = {"coefficients": W, "intercepts": [0.0, 0.5, 0.1], "classlabels_ints": [4, 5, 6]}
NODES = {
    "LinearRegressor": {"coefficients": W, "intercepts": [1.0, 2.0, 3.0], "targets": 3},
    "LinearRegressor: one": {"coefficients": W[:4]},
    "LinearClassifier": {**THREE, "post_transform": "SOFTMAX"},
    "LinearClassifier: logistic": {
        "coefficients": W[:4], "intercepts": [0.2], "classlabels_ints": [0, 1], "post_transform": "LOGISTIC",
    },
    "LinearClassifier: margin": {"coefficients": W[:4], "intercepts": [0.2], "classlabels_ints": [3, 8]},
    "LinearClassifier: softmax zero": {**THREE, "post_transform": "SOFTMAX_ZERO"},
    "SVMRegressor: no vectors": {**LINEAR, "coefficients": W[:4], "rho": [0.5]},
    "SVMClassifier: logistic": {**TWO, **VECTORS, "kernel_type": "POLY", "post_transform": "LOGISTIC"},
    "SVMClassifier: softmax": {
        **PAIRS, **VECTORS, "kernel_type": "RBF", "classlabels_ints": [1, 2, 3], "post_transform": "SOFTMAX",
    },
    **{f"SVMRegressor: {kind}": {**SVR, "kernel_type": kind} for kind in ("LINEAR", "POLY", "RBF", "SIGMOID")},
    "SVMRegressor: one class": {**SVR, "kernel_type": "RBF", "one_class": 1},
    "SVMClassifier": {**PAIRS, **VECTORS, "kernel_type": "RBF", "classlabels_ints": [1, 2, 3]},
    "SVMClassifier: two": {**TWO, **VECTORS, "kernel_type": "POLY"},
    "SVMClassifier: probabilities": {
        **PAIRS, **VECTORS, "kernel_type": "RBF", "classlabels_ints": [1, 2, 3], "prob_a": [-1.5, -0.7, -2.0],
        "prob_b": [0.1, -0.2, 0.3],
    },
    "SVMClassifier: probabilities of two": {
        **TWO, **VECTORS, "kernel_type": "SIGMOID", "prob_a": [-1.5], "prob_b": [0.2],
    },
    "SVMClassifier: linear": {**LINEAR, "coefficients": W, "rho": [0.25], "classlabels_ints": [1, 2, 3]},
    "Scaler": {"offset": [1.0, 2.0, 3.0, 4.0], "scale": [2.0, 0.5, 1.0, 3.0]},
    "Scaler: one": {"offset": [1.0], "scale": [2.0]},
    "Normalizer": {},
    "Binarizer": {},
    "Imputer: one": {"imputed_value_floats": [3.0]},
    "LabelEncoder: tensors": {
        "keys_tensor": numpy_helper.from_array(X[0], "k"), "values_tensor": numpy_helper.from_array(X[1], "v"),
        "default_tensor": numpy_helper.from_array(np.float32([7.0]), "d"),
    },
    **{f"Normalizer: {norm}": {"norm": norm} for norm in ("MAX", "L1", "L2")},
    "Binarizer: threshold": {"threshold": 0.25},
    "Imputer": {"imputed_value_floats": [1.0, 2.0, 3.0, 4.0], "replaced_value_float": float("nan")},
    "LabelEncoder": {"keys_floats": [float(X[0, 0]), float("nan")], "values_floats": [2.0, 7.0], "default_float": -5.0},
    "OneHotEncoder": {"cats_int64s": [-1, 0, 1]},
    "OneHotEncoder: known only": {"cats_int64s": [*range(-5, 6)], "zeros": 0},
    "FeatureVectorizer": {"inputdimensions": [4]},
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_other_operators(name):
    op = name.partition(":")[0]
    content = saved(
        op,
        "label scores" if op.endswith("Classifier") else "y",
        version=4 if op == "LabelEncoder" else 2,
        **NODES[name],
    )
    x = X.copy()
    x[2] = 0.0
    if op in ("Imputer", "LabelEncoder"):
        x[1, 0] = np.nan
    assert_equal(computed(content, x), original(content, x))


@pytest.mark.parametrize("transform", ["SOFTMAX", "SOFTMAX_ZERO", "LOGISTIC"])
def test_two_classes_of_one_score(transform):
    """ONNX Runtime does not apply the softmax to them, unlike ONNX's reference."""
    row = {"coefficients": W[:4], "intercepts": [0.2], "classlabels_ints": [3, 8]}
    machine = {**TWO, **VECTORS, "kernel_type": "POLY"}
    for op, attributes in (("LinearClassifier", row), ("SVMClassifier", machine)):
        content = saved(op, "label scores", version=2, post_transform=transform, **attributes)
        assert_equal(computed(content, X), original(content, X))


def test_defaults_of_linear_models():
    """Attributes that ONNX Runtime needs and ONNX does not: intercepts, rho, labels, scales."""
    scores = X @ np.float32(W).reshape(3, 4).T
    content = saved("LinearClassifier", "label scores", coefficients=W, classlabels_ints=[4, 5, 6])
    assert_equal(computed(content, X), [scores.argmax(1) + 4, scores])
    content = saved("LinearClassifier", "label scores", coefficients=W[:4])
    assert_equal(computed(content, X), [(scores[:, 0] > 0).astype(np.int64), scores[:, :1]])
    content = saved("LinearRegressor", coefficients=W, targets=3)
    assert_equal(computed(content, X), [scores])
    content = saved("SVMRegressor", coefficients=W[:4])
    assert_equal(computed(content, X), [scores[:, :1]])
    content = saved("SVMClassifier", "label scores", coefficients=W, classlabels_ints=[4, 5, 6])
    assert_equal(computed(content, X), [scores.argmax(1) + 4, scores])
    assert_equal(computed(saved("Scaler"), X), [X])
    keys = {"keys_floats": X[0].tolist()}
    found = computed(saved("LabelEncoder", version=2, values_int64s=[4, 3, 2, 1], **keys), X)
    assert_equal(found, [np.int64([[4, 3, 2, 1], *[[-1] * 4] * 59])])
    (found,) = computed(saved("LabelEncoder", version=2, values_floats=[4.0, 3.0, 2.0, 1.0], **keys), X)
    assert_equal([found], [np.float32([[4, 3, 2, 1], *[[0] * 4] * 59])])
    assert np.signbit(found[1:]).all()


REFUSED = {
    "LinearRegressor: coefficients": ({"coefficients": W, "targets": 2}, "has 12 elements; expected 2 x 4"),
    "SVMRegressor: kernel": ({**SVR, "kernel_type": "COSINE"}, "kernel_type=COSINE is not known"),
    "SVMRegressor: vectors": ({**SVR, "n_supports": 4}, "'support_vectors' has 20 elements; expected 4 x 4"),
    **{
        f"SVMClassifier: {name}": ({**PAIRS, **VECTORS, "classlabels_ints": labels, name: value}, message)
        for name, labels, value, message in (
            ("vectors_per_class", [1, 2, 3], [2, 3], "3 labels, 2 vectors_per_class and 3 elements of rho"),
            ("rho", [1, 2, 3], [0.1, 0.2], "3 labels, 3 vectors_per_class and 2 elements of rho"),
            ("vectors_per_class", [1], [5], "1 labels, 1 vectors_per_class and 3 elements of rho"),
            ("prob_a", [1, 2, 3], [0.1, 0.2, 0.3], "prob_a and prob_b have 3 and 0 elements; expected 3"),
            ("prob_b", [1, 2, 3], [0.1, 0.2], "prob_a and prob_b have 0 and 2 elements; expected 3"),
        )
    },
    "LinearClassifier: transform": ({**THREE, "post_transform": "PROBIT"}, "post_transform=PROBIT is not supported"),
    "Normalizer: norm": ({"norm": "L3"}, "norm=L3 is not known"),
    "Imputer: no values": ({}, "it has no values for elements of type float32"),
    "Imputer: values of integers": ({"imputed_value_int64s": [1]}, "it has no values for elements of type float32"),
    "OneHotEncoder: strings": ({"cats_strings": ["a"]}, "it has categories of strings"),
    "LabelEncoder: keys": ({"keys_floats": [1.0, 2.0], "values_floats": [3.0]}, "equally many keys and values"),
    "LabelEncoder: no values": ({"keys_floats": [1.0, 2.0], "values_strings": ["a", "b"]}, "equally many keys and"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    op, (attributes, message) = name.partition(":")[0], REFUSED[name]
    content = saved(op, "label scores" if op.endswith("Classifier") else "y", version=2, **attributes)
    with pytest.raises(SofieError, match=message):
        frontends.open(content)()


def test_the_old_label_encoder_is_refused():
    with pytest.raises(SofieError, match="strings are not supported; convert them to numbers before the model"):
        frontends.open(saved("LabelEncoder", version=1, classes_strings=["a"]))()


def test_integers():
    x = RNG.integers(-2, 3, (9, 4))
    for op, attributes in (
        ("LabelEncoder", {"keys_int64s": [-1, 1], "values_int64s": [10, 20]}),
        ("LabelEncoder", {"keys_int64s": [-1, 1], "values_floats": [0.5, 1.5], "default_float": 9.0}),
        ("OneHotEncoder", {"cats_int64s": [2, -1, 0]}),
        ("Imputer", {"imputed_value_int64s": [7], "replaced_value_int64": 2}),
        ("Scaler", {"offset": [0.5], "scale": [2.0]}),
    ):
        content = saved(op, inputs={"x": x}, version=2, **attributes)
        with_type = content
        if "values_int64s" in attributes or "imputed_value_int64s" in attributes:
            model = onnx.load_from_string(content)
            model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
            with_type = model.SerializeToString()
        assert_equal(computed(with_type, x), original(with_type, x))


def test_dictionaries_of_scores_are_a_matrix():
    content = saved("ZipMap", classlabels_int64s=[0, 1, 2, 3])
    np.testing.assert_array_equal(computed(content, X)[0], X)


def test_labels_that_are_strings_are_refused_with_the_way_on():
    attributes = {"coefficients": W, "intercepts": [0.0, 0.5, 0.1], "classlabels_strings": ["a", "b", "c"]}
    content = saved("LinearClassifier", "label scores", **attributes)
    expected = X @ np.reshape(W, (3, 4)).T + [0, 0.5, 0.1]
    with pytest.raises(SofieError, match=r"its labels are strings.* outputs=\['scores'\]"):
        frontends.open(content)()
    with pytest.raises(ModelFileError, match=r"did you mean 'scores'\?.*last to the first, are: label, scores"):
        frontends.open(content, outputs=["score"])()
    (scores,) = evaluate(frontends.open(content, outputs=["scores"])(), [X])
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    model = onnx.load_from_string(content)  # with nodes behind both, as skl2onnx writes them
    model.graph.node.append(helper.make_node("Identity", ["label"], ["output_label"]))
    model.graph.node.append(helper.make_node("Identity", ["scores"], ["probabilities"]))
    (scores,) = evaluate(frontends.open(model.SerializeToString(), outputs=["probabilities"])(), [X])
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_unknown_categories_are_errors_without_zeros():
    model = sofie_jit.load(saved("OneHotEncoder", cats_int64s=[3, 1], zeros=0))
    assert model.infer(np.float32([[1, 3, 3, 1]])).tolist() == [[[0, 1], [1, 0], [1, 0], [0, 1]]]
    with pytest.raises(OutOfRangeError, match="OneHotEncoder"):
        model.infer(np.float32([[1, 3, 2, 1]]))


def test_thresholds_of_whole_numbers():
    content = saved("Binarizer", inputs={"x": np.int64([[0]])}, threshold=-0.5)
    assert computed(content, np.int64([[-1, 0, 1, 2]]))[0].tolist() == [[0, 1, 1, 1]]


def test_probabilities_of_a_fitted_machine():
    """Many classes, against ONNX Runtime; also compiled, where a row has the same bits in any batch."""
    classes, count = 6, 24
    rng = np.random.default_rng(7)
    coefficients = rng.normal(size=(classes - 1) * count).tolist()
    content = saved(
        "SVMClassifier", "label scores", kernel_type="RBF", kernel_params=[0.2, 0.0, 3.0],
        classlabels_ints=list(range(classes)), vectors_per_class=[count // classes] * classes,
        support_vectors=rng.normal(size=4 * count).tolist(), coefficients=coefficients,
        rho=rng.normal(size=15).tolist(), prob_a=(-1 - rng.random(15)).tolist(), prob_b=rng.normal(size=15).tolist(),
    )  # fmt: skip
    labels, probabilities = original(content, X)
    found = sofie_jit.load(content).infer(X)
    np.testing.assert_array_equal(found[0], labels)
    np.testing.assert_allclose(found[1], probabilities, rtol=0, atol=1e-6)
    np.testing.assert_allclose(computed(content, X)[1], probabilities, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(sofie_jit.load(content).infer(X[7:8])[1], found[1][7:8])
    attributes = {**TWO, **VECTORS, "kernel_type": "RBF", "prob_a": [-1.0]}
    with pytest.raises(SofieError, match="prob_a and prob_b have 1 and 0 elements; expected 1"):
        frontends.open(saved("SVMClassifier", "label scores", **attributes))()


def test_compare_with_dictionaries_of_scores(tmp_path):
    node = helper.make_node("ZipMap", ["x"], ["y"], "node", domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2, 3])
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])]
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    outputs = [helper.make_value_info("y", helper.make_sequence_type_proto(kind))]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)]
    graph = helper.make_graph([node], "g", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    assert sofie_jit.compare(tmp_path / "m.onnx", X)
