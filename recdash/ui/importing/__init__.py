"""Import of files on the Data page: upload, preview, options, name."""
