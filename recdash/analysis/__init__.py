"""Analysis of finished runs and datasets: plain values in, plain values out. No store, no drawing."""
