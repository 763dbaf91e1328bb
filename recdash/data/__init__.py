"""From files to interactions: readers, the item catalogue, data sets and their cache."""
