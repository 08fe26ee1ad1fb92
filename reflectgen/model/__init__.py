"""Reflective models: a causal LM, its SPRM head, and how both are found, loaded, checked and saved.

Import from the modules themselves, e.g. `from reflectgen.model.reflective import ReflectiveModel`.
"""
