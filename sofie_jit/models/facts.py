"""The facts about compiled code that calls need, as values of JSON: compiled libraries and the cache contain them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sofie_jit import errors
from sofie_jit.codegen.stored_types import decode_type, encode_type
from sofie_jit.errors import SofieError
from sofie_jit.ir.dims import Dim
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.size_check import SizeCheck
from sofie_jit.ir.types import TensorType
from sofie_jit.jit import session
from sofie_jit.models.signature import Signature

if TYPE_CHECKING:
    from sofie_jit.ir.rmodel import RModel


class Code(NamedTuple):
    """The facts about compiled code that :class:`Session` needs."""

    dims: tuple[str, ...]
    tiled: bool
    rows_together: int
    failures: dict[int, str]
    errors: dict[int, type[SofieError]]
    found: dict[str, Dim]
    size_checks: dict[int, SizeCheck]


def encode_facts(signature: Signature, code: session.Code, rmodel: RModel) -> dict[str, Any]:
    """What is needed to call the compiled code of a network, as values of JSON.

    ``rmodel``: the network before optimization.
    """
    return {
        "name": rmodel.name,
        "inputs": {name: encode_type(kind) for name, kind in signature.inputs.items()},
        "outputs": [[name, encode_type(kind)] for name, kind in signature.outputs],
        "states": len(rmodel.states),
        "structure": _structure(signature.structure),
        "work": signature.work,
        "sources": signature.sources,
        "keys": signature.keys,
        "dims": list(code.dims),
        "tiled": code.tiled,
        "rows_together": code.rows_together,
        "found": {name: dim if isinstance(dim, int) else str(dim) for name, dim in code.found.items()},
        "size_checks": {str(status): _encoded_check(check) for status, check in code.size_checks.items()},
        "failures": {str(status): [code.errors[status].__name__, text] for status, text in code.failures.items()},
    }


def _encoded_check(check: SizeCheck) -> list[Any]:
    need = check.requirement
    return [encode_type(TensorType("bool", (need.left, need.right)))[1], need.relation, check.operator]


def _size_check(sizes: Any, relation: Any, operator: str) -> SizeCheck:
    left, right = decode_type(["bool", sizes]).shape
    return SizeCheck(Requirement(left, relation, right), operator)


def _structure(value: Any) -> Any:
    """An output structure as JSON, which has no tuples."""
    if isinstance(value, dict):
        return {"dict": {key: _structure(part) for key, part in value.items()}}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_structure(part) for part in value]}
    return value


def _restored(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, parts),) = value.items()
    if kind == "dict":
        return {key: _restored(part) for key, part in parts.items()}
    return {"list": list, "tuple": tuple}[kind](map(_restored, parts))


def decode_facts(facts: dict[str, Any]) -> tuple[Code, Signature]:
    """The inverse of :func:`encode_facts`."""
    signature = Signature(
        {name: decode_type(kind) for name, kind in facts["inputs"].items()},
        [(name, decode_type(kind)) for name, kind in facts["outputs"]],
        _restored(facts["structure"]),
        [(number, list(names)) for number, names in facts["work"]],
        facts["sources"],
        facts.get("keys", {}),
    )
    checks = {int(status): _size_check(*check) for status, check in facts["size_checks"].items()}
    failures = {int(status): text for status, (_, text) in facts["failures"].items()}
    kinds = {int(status): getattr(errors, name) for status, (name, _) in facts["failures"].items()}
    bounds = facts.get("found", {})
    found = dict(zip(bounds, decode_type(["bool", list(bounds.values())]).shape, strict=True))
    return Code(tuple(facts["dims"]), facts["tiled"], facts["rows_together"], failures, kinds, found, checks), signature
