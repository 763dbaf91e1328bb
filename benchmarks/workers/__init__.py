"""Programs that train one library each; every one runs in the environment of its library (`benchmarks/peers.py`)."""
