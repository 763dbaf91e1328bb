"""Results as text and files: plain tables, CSV, Markdown, LaTeX, HTML and SVG. No Streamlit here."""
