"""Handlers of ONNX's operators, one file per family; ``registry.py`` tells what a handler is."""
