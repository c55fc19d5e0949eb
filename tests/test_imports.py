"""No import cycle between files, whether the imports run at the start, inside functions or for type checkers only."""

import graphlib

import grimp

FACADE = "sofie_jit.ir.facade"
"""RModel's methods that forward to higher layers: the one exception."""


def test_no_file_imports_itself_through_others():
    graph = grimp.build_graph("sofie_jit", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) - {name} for name in graph.modules}
    assert len(imports) > 400
    assert FACADE in imports["sofie_jit.ir.rmodel"]
    imports[FACADE] = set()
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the files
