"""What others have published, and how it came about.

`figures` is data that may stand anywhere beside our own, marked `published, not rerun`. Everything else here computes
as the public tables did, mistakes included, and is reached by `services/reproduce` alone; a test holds that.
"""
