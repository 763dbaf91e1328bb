"""Comparisons as text and files: tables, HTML, Markdown, LaTeX and SVG. No Streamlit here."""
