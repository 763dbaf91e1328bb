"""Services behind the pages and the command line: requests in, plain values out. No Streamlit here."""
