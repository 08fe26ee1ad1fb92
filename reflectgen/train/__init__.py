"""Training: losses as pure functions, and the trainers that use them.

Import from the modules themselves, e.g. `from reflectgen.train.loss import spr_loss`.
"""
