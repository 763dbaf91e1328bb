"""Importing a file on the Data page: upload, preview, choices, name."""
