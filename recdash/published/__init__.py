"""Published results: their figures as data, and published tables recomputed with the mistakes of their code.

`figures` may be used anywhere; show its numbers with `figures.MARK`. Everything else here computes as published,
mistakes included. Only `recdash.services.reproduce` and its parts import it; a test proves that.
"""
