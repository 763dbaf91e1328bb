"""Charts, one module per kind: Altair for static ones, Plotly for interactive ones."""
