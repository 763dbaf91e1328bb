"""One reader per kind of file: files become a `Dataset`, or one DataError with file, line and what to do."""
