"""An RModel as an ONNX file: ``file.py`` writes it, ``graph.py`` collects its nodes, ``nodes/`` has one rule per operator."""
