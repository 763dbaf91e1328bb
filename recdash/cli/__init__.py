"""The command line: words in, services called, tables or one JSON document out."""
