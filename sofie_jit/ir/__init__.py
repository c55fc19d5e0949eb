"""The intermediate representation: named tensors, ONNX operators, and functions that build them."""
