"""Charts in Altair and Plotly."""
