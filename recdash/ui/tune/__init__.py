"""The Tune tab of the Train page: searches for settings and their studies."""
