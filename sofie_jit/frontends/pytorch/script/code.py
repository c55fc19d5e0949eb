"""The code of a TorchScript archive: classes and functions by their qualified names."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from sofie_jit.errors import ModelFileError

MAX_NESTING = 100
"""Maximum depth of brackets and of indentation; Python's parser takes stack for each level."""


class ScriptClass:
    """A class of the archive."""

    def __init__(self, name: str, definition: ast.ClassDef):
        self.name = name
        self.methods: dict[str, ast.FunctionDef] = {}
        self.fields: list[str] = []
        """Names of attributes in order; those of a named tuple are its members."""
        self.finals: dict[str, ast.expr] = {}
        """Attributes with a constant value."""
        self.is_tuple = any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in definition.bases)
        for statement in definition.body:
            if isinstance(statement, ast.FunctionDef):
                self.methods[statement.name] = statement
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                self.fields.append(statement.target.id)
                if statement.value is not None:
                    self.finals[statement.target.id] = statement.value


class Code:
    """Parses the files of an archive when they are needed. Raises ModelFileError for text that is no such code."""

    def __init__(self, files: Mapping[str, str]):
        self.files = files
        self._parsed: dict[str, dict[str, Any]] = {}

    def find(self, name: str) -> ScriptClass | ast.FunctionDef | None:
        """The class or function of a qualified name such as ``__torch__.torch.nn.modules.linear.Linear``."""
        module, _, member = name.rpartition(".")
        if module not in self.files:
            return None
        if module not in self._parsed:
            self._parsed[module] = self._parse(module)
        found: ScriptClass | ast.FunctionDef | None = self._parsed[module].get(member)
        return found

    def _parse(self, module: str) -> dict[str, Any]:
        text = self.files[module]
        check_nesting(text, module)
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ModelFileError(f"the code '{module}' of the archive is not TorchScript ({error})") from error
        found: dict[str, Any] = {}
        for statement in tree.body:
            if isinstance(statement, ast.ClassDef):
                found[statement.name] = ScriptClass(f"{module}.{statement.name}", statement)
            elif isinstance(statement, ast.FunctionDef):
                found[statement.name] = statement
        return found


def check_nesting(text: str, module: str) -> None:
    """Raises ModelFileError for code that is nested too deeply, or has operators, which TorchScript does not write."""
    plain = re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', '""', text)
    depth = deepest = 0
    for bracket in re.findall(r"[()\[\]{}]", plain):
        depth += 1 if bracket in "([{" else -1
        deepest = max(deepest, depth)
    indent = max((len(spaces) for spaces in re.findall(r"^ *", plain, re.MULTILINE)), default=0)
    longest = max((len(chain) for chain in re.findall(r"(?:[-+~.]|not )+", plain)), default=0)
    chains = max((line.count(".") + line.count("+") + line.count("if ") for line in plain.splitlines()), default=0)
    if deepest > MAX_NESTING or indent > 4 * MAX_NESTING or longest > MAX_NESTING or chains > 100 * MAX_NESTING:
        raise ModelFileError(f"the code '{module}' of the archive is nested more than {MAX_NESTING} levels deep")
