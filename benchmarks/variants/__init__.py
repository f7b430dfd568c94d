"""The rendered service with small additions, made from its own parts.

These modules run in the directory of a rendered service.
"""
