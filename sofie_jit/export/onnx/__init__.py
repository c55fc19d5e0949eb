"""An RModel as an ONNX file.

``file.py`` writes it, ``graph.py`` collects its nodes, and ``nodes/`` has one rule per operator.
"""
