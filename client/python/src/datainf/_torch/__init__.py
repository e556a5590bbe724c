"""Gradients of PyTorch models. Only `datainf._capturing` imports this package, when asked to."""
