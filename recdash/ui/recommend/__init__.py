"""Parts of the Recommend page: finding items, the visitor's taste, lists and their comparison."""
