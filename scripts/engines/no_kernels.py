"""Stands in for SGLang's kernels, of which there are none for this CPU: each is there, and raises when it is called."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*args, **kwargs):
        raise NotImplementedError(f"sgl_kernel.{name} is not there on this machine")

    return missing
