"""Reads ``.pt2`` archives: the graph of ``torch.export``, and its parameters.

torch 2.9 and newer write JSON and raw bytes, torch 2.8 JSON and pickles of tensors, and torch 2.5 to 2.7 the same under
other names. The schema is ``torch/_export/serde/schema.yaml`` in PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sofie_jit.errors import ModelFileError, SofieError, UnsupportedLayerError
from sofie_jit.frontends.base import errors_of_file
from sofie_jit.frontends.limits import JSON_BYTES, JSON_RATIO, parse_json
from sofie_jit.frontends.pytorch.archive import Archive, Storages, integers, mapping
from sofie_jit.frontends.pytorch.model import Constant, ExportedModel, Graph, Input, Node, StoredTensor
from sofie_jit.frontends.pytorch.modules import all_names
from sofie_jit.frontends.pytorch.pickles import Pickle

SERIALIZED_TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 34: "uint32",
    35: "uint64",
}  # fmt: skip
"""Numbers of element types in the schema (``ScalarType``)."""

SCHEMA_MAJOR = range(5, 9)
"""Versions of the schema that are known; torch 2.5 writes 7, torch 2.13 writes 8."""
MAX_NODES = 100_000
UNUSED = 1 << 30
"""The index of an input that is no tensor."""


def read_file(path: Path) -> ExportedModel:
    """Reads a file. Raises ModelFileError for one that is damaged, or holds no graph."""
    with errors_of_file(f"'{path}'"):
        try:
            return _read(path)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            if isinstance(error, SofieError):
                raise
            raise ModelFileError(
                f"the file does not have the form that torch.export.save writes ({type(error).__name__}: {error}); "
                "save the model again"
            ) from error


def _read(path: Path) -> ExportedModel:
    archive = Archive(path)
    if "serialized_exported_program.json" in archive:
        return _Reader(path, archive).model(
            "serialized_exported_program.json",
            [("serialized_state_dict.pt", False), ("serialized_constants.pt", True)],
        )
    models = [name for name in archive.names if re.fullmatch(r"models/[^/]+\.json", name)]
    if not models:
        raise ModelFileError(
            f"'{path}' holds no graph, as packages of AOTInductor do: save the exported program with torch.export.save"
        )
    name = "models/model.json" if "models/model.json" in models else models[0]
    stem = name.removeprefix("models/").removesuffix(".json")
    parts = [(f"data/weights/{stem}", False), (f"data/constants/{stem}", True)]
    return _Reader(path, archive).model(name, parts)


NO_LIMIT = 1 << 31
"""Limits of sizes from here on stand for infinity."""


class _Reader:
    def __init__(self, path: Path, archive: Archive):
        self.path = path
        self.archive = archive
        self.storages = Storages(archive)

    def json(self, name: str) -> Any:
        content = self.archive.read(name)
        stored = self.archive._entries[name].compress_size
        if len(content) > JSON_BYTES and len(content) > JSON_RATIO * stored:
            raise ModelFileError(f"'{name}' has {len(content):,} bytes of JSON, compressed to {stored:,}")
        return parse_json(bytes(content), name)

    def model(self, name: str, parts: Sequence[tuple[str, bool]]) -> ExportedModel:
        program = mapping(self.json(name), name)
        version = mapping(program.get("schema_version"), "schema_version")
        if version.get("major") not in SCHEMA_MAJOR:
            raise ModelFileError(
                f"the schema of the file has version {version.get('major')!r}; versions {SCHEMA_MAJOR[0]} to "
                f"{SCHEMA_MAJOR[-1]} are known, which torch 2.5 and later write"
            )
        tensors: dict[str, StoredTensor] = {}
        for prefix, _ in parts:
            tensors.update(self.tensors(prefix))
        module = mapping(program["graph_module"], "graph_module")
        graph = mapping(module["graph"], "graph")
        return self.graph(program, module, graph, tensors)

    # -- tensors -------------------------------------------------------------------------------------------------

    def tensors(self, prefix: str) -> dict[str, StoredTensor]:
        """Name in the module -> tensor, of the weights or of the constants."""
        config = f"{prefix}_weights_config.json" if "weights" in prefix else f"{prefix}_constants_config.json"
        if config in self.archive:
            folder = prefix.rpartition("/")[0]
            entries = mapping(mapping(self.json(config), config)["config"], config)
            return {name: self.raw(name, folder, mapping(entry, name)) for name, entry in entries.items()}
        pickled = prefix if prefix in self.archive else f"{prefix}.pt"
        if pickled not in self.archive:
            return {}
        if not len(self.archive.read(pickled)):
            return {}
        inner = Archive(self.path, self.archive.read(pickled))
        reader = Pickle(Storages(inner), "data/")
        found = reader.read("data.pkl")
        if not isinstance(found, dict) or "dict" not in found:
            raise ModelFileError(f"'{pickled}' holds no dict of tensors")
        return {
            str(name): reader.tensors[value["tensor"]]
            for name, value in found["dict"]
            if isinstance(value, dict) and "tensor" in value
        }

    def raw(self, name: str, folder: str, entry: Mapping[str, Any]) -> StoredTensor:
        """A tensor whose bytes are a member of the archive."""
        meta = entry.get("tensor_meta")
        if entry.get("use_pickle") or not isinstance(meta, Mapping):
            return StoredTensor("object that is stored as a pickle", None)
        dtype = SERIALIZED_TYPES.get(meta["dtype"], f"number {meta['dtype']}")
        if meta.get("layout", 7) != 7:
            return StoredTensor("a sparse layout", None)
        sizes, strides = (_numbers(meta[key], name) for key in ("sizes", "strides"))
        (offset,) = _numbers([meta["storage_offset"]], name)
        member = f"{folder}/{entry['path_name']}"
        return self.storages.tensor(member, dtype, sizes, strides, offset, f"the tensor '{name}'")

    # -- the graph -----------------------------------------------------------------------------------------------

    def graph(
        self, program: Mapping[str, Any], module: Mapping[str, Any], graph: Mapping[str, Any],
        tensors: Mapping[str, StoredTensor],
    ) -> ExportedModel:  # fmt: skip
        signature = module["signature"]
        inputs: list[Input] = []
        constants, known, places = [], {}, []
        for spec in signature["input_specs"]:
            ((kind, value),) = spec.items()
            if kind in ("parameter", "buffer", "tensor_constant"):
                constants.append(_constant(kind, value, tensors))
            elif kind == "user_input":
                ((argument, given),) = value["arg"].items()
                places.append(len(inputs) if argument == "as_tensor" else UNUSED)
                if argument == "as_tensor":
                    inputs.append(_input(given["name"], graph["tensor_values"]))
                elif argument == "as_sym_int":
                    raise UnsupportedLayerError(
                        f"the input '{given.get('as_name')}' is a number, which is not supported"
                    )
                # other arguments have the value of the example; the graph does not use them
            elif kind == "constant_input":
                known[value["name"]] = next(iter(value["value"].values()))
                places.append(UNUSED)
            else:
                raise UnsupportedLayerError(f"an input of the kind {kind} is not supported")
        nodes = [_node(node, index) for index, node in enumerate(graph["nodes"])]
        if sum(1 for _ in with_inner(nodes)) > MAX_NODES:
            raise ModelFileError(f"the model has more than {MAX_NODES:,} nodes")
        outputs = []
        for spec in signature["output_specs"]:
            ((kind, value),) = spec.items()
            if kind == "user_output":
                outputs.append(checked(value["arg"]))
            elif kind == "buffer_mutation":
                raise UnsupportedLayerError(
                    f"buffer '{value['buffer_name']}': the model changes it in each call, which is not supported"
                )
            elif kind != "user_input_mutation":
                raise UnsupportedLayerError(f"an output of the kind {kind} is not supported")
        calls = module["module_call_graph"]
        root = next((entry for entry in calls if entry["fqn"] == ""), None)
        given = root.get("signature") if root else None
        structure = _structure(given["out_spec"], range(len(outputs))) if given else None
        taken = _structure(given["in_spec"], places) if given else None
        return ExportedModel(
            source=str(self.path),
            torch_version=str(program.get("torch_version", "")),
            inputs=inputs,
            constants=constants,
            known_inputs=known,
            nodes=nodes,
            outputs=outputs,
            structure=structure,
            ranges=_ranges(program.get("range_constraints")),
            input_structure=taken["tuple"][0] if isinstance(taken, dict) and taken.get("tuple") else None,
        )


def _ranges(constraints: Any) -> list[list[Any]]:
    """Text of a size, its minimum and its maximum; None for no limit."""
    if not isinstance(constraints, Mapping):
        return []
    found = [[str(text), limits.get("min_val"), limits.get("max_val")] for text, limits in constraints.items()]
    return [[text, *(n if isinstance(n, int) and abs(n) < NO_LIMIT else None for n in limits)]
            for text, *limits in found]  # fmt: skip


def _numbers(sizes: Sequence[Any], what: str) -> list[int]:
    return integers([size["as_int"] if isinstance(size, Mapping) else size for size in sizes], what)


def _constant(kind: str, value: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> Constant:
    target = value[f"{kind}_name"]
    if target not in tensors:
        raise ModelFileError(f"the {kind.replace('_', ' ')} '{target}' is not in the file; save the model again")
    return Constant(value["arg"]["name"], target, kind.removeprefix("tensor_"), tensors[target])


def _input(name: str, values: Mapping[str, Any]) -> Input:
    meta = values[name]
    dtype = SERIALIZED_TYPES.get(meta["dtype"], f"number {meta['dtype']}")
    sizes = [size["as_int"] if "as_int" in size else str(size["as_expr"]["expr_str"]) for size in meta["sizes"]]
    return Input(str(name), dtype, sizes)


def _node(node: Mapping[str, Any], index: int) -> Node:
    stack = str(node.get("metadata", {}).get("nn_module_stack", ""))
    module = ""
    entries = stack.split(";")
    for entry in reversed(entries):
        parts = entry.split(",")
        if len(parts) == 3 and not parts[0].startswith("_empty"):
            module = parts[1]
            break
    outputs = [checked(output) for output in node["outputs"]]
    name = node.get("name") or _first_name(outputs) or f"node_{index}"
    graphs: list[Graph] = []
    arguments = [[str(given["name"]), _argument(given["arg"], graphs)] for given in node["inputs"]]
    return Node(str(name), str(node["target"]), arguments, outputs, module, graphs)


def _argument(argument: Any, graphs: list[Graph]) -> Any:
    """An argument of a node; a graph is added to ``graphs``, and its index is the argument."""
    if not isinstance(argument, dict) or "as_graph" not in argument:
        return checked(argument)
    graph = argument["as_graph"]["graph"]
    nodes = [_node(node, index) for index, node in enumerate(graph["nodes"])]
    names = [name for given in graph["inputs"] for name in all_names(checked(given))]
    graphs.append(Graph(names, nodes, [checked(output) for output in graph["outputs"]]))
    return {"as_graph": len(graphs) - 1}


def with_inner(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes, and those of the graphs that they run."""
    for node in nodes:
        yield node
        for graph in node.graphs:
            yield from with_inner(graph.nodes)


def _is_name(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)


def _is_symbol(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and (
            isinstance(value.get("as_name"), str) or all(isinstance(number, (int, float)) for number in value.values())
        )
    )


def _list_of(is_item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_item, value))


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _is_optional_tensor(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and ("as_none" in value or _is_name(value.get("as_tensor")))


ARGUMENTS: dict[str, Callable[[Any], bool]] = {
    "as_tensor": _is_name,
    "as_tensors": _list_of(_is_name),
    "as_nested_tensors": _list_of(_list_of(_is_name)),
    "as_optional_tensor": _is_optional_tensor,
    "as_optional_tensors": _list_of(_is_optional_tensor),
    "as_sym_int": _is_symbol, "as_sym_bool": _is_symbol, "as_sym_float": _is_symbol,
    "as_sym_ints": _list_of(_is_symbol), "as_sym_bools": _list_of(_is_symbol), "as_sym_floats": _list_of(_is_symbol),
    "as_int": _is(int), "as_ints": _list_of(_is(int)),
    "as_float": _is(int, float, str), "as_floats": _list_of(_is(int, float, str)),
    "as_string": _is(str), "as_strings": _list_of(_is(str)),
    "as_bool": _is(bool), "as_bools": _list_of(_is(bool)),
    "as_scalar_type": _is(int),
}  # fmt: skip
"""Kind of an argument -> whether a value has its form; the values of others are not looked at."""


def checked(argument: Any) -> Any:
    """An argument or result of a node. Raises ModelFileError for one that does not have the form of its kind."""
    if not isinstance(argument, dict) or len(argument) != 1:
        raise ModelFileError(f"the graph has the argument {argument!r:.100}")
    ((kind, value),) = argument.items()
    if not ARGUMENTS.get(kind, lambda value: True)(value):
        raise ModelFileError(f"the graph has the argument {kind} with the value {value!r:.100}")
    return argument


def _first_name(outputs: Sequence[Any]) -> str:
    for output in outputs:
        for value in output.values():
            if isinstance(value, Mapping):
                return str(value.get("name") or value.get("as_name") or "")
    return ""


# -- the structure of the outputs --------------------------------------------------------------------------------------


def _structure(spec: str, places: Iterable[int]) -> Any:
    """The nesting of values as lists, ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}`` and their indices."""
    parsed = parse_json(spec, "out_spec")
    numbers = iter(places)

    def build(node: Mapping[str, Any]) -> Any:
        kind = node["type"]
        if kind is None:
            return next(numbers)
        parts = [build(child) for child in node["children_spec"]]
        if kind.endswith("list"):
            return parts
        context = node.get("context")
        keys = parse_json(context, "out_spec") if isinstance(context, str) else None
        if isinstance(keys, dict):  # a default dict
            keys = next((value for value in keys.values() if isinstance(value, list)), None)
        if isinstance(keys, list) and len(keys) == len(parts) and all(isinstance(key, (str, int)) for key in keys):
            return {"dict": [[key, part] for key, part in zip(keys, parts, strict=True)]}
        return {"tuple": parts}

    try:
        return build(parsed[1])
    except StopIteration as error:
        raise ModelFileError("out_spec has more outputs than the graph") from error
