"""Runs: the queue, the processes that train, and the store of records. Imports no page and no command line."""
