"""One module per family of Keras layers; every handler registers itself with :func:`registry.layer`."""
