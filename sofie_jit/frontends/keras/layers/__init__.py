"""The layers of Keras: one module for each family, whose handlers register themselves with :func:`registry.layer`."""
