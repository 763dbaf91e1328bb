"""The command line: one module per command; each calls services and prints tables or one JSON document."""
