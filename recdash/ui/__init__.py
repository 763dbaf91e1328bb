"""The Streamlit user interface. Streamlit is imported here and in pages/ only; data come from services."""
