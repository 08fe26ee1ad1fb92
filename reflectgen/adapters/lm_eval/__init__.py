"""Reflective models in EleutherAI's lm-evaluation-harness."""
