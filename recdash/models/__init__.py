"""The recommenders: one file a model, the equations in the order of the paper."""
