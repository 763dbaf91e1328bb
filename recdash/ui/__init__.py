"""Everything that draws. Streamlit is imported here and in pages/ only; whatever is shown comes from services."""
