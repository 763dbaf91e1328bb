"""Datasets: readers, interactions, the item catalogue, user histories and caches."""
