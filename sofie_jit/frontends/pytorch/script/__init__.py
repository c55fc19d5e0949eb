"""TorchScript: archives of ``torch.jit.save``, whose code is evaluated symbolically."""
