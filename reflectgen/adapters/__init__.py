"""Reflective models as models of other people's evaluation harnesses: each file is one harness, imported by it alone."""
