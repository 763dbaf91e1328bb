"""Parts of the Results page: the choice of a table, its options, the table, and the views below it."""
