"""Handlers of ONNX's operators, one file per family; ``registry.py`` describes them, ``call.py`` their argument."""
