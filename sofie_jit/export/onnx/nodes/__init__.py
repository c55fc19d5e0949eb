"""One rule per operator: the nodes of ONNX that compute it, in files by family.

A rule gets the :class:`~sofie_jit.export.onnx.graph.GraphWriter`, the operator, and the names of its inputs, and
returns the name of the output, or a tuple of names. Nodes have the form that they have in opset 18, or in a newer one
that the rule writes to ``g.opset``.
"""
