"""What runs and data look like when they are compared: plain values, without a store and without drawing."""
