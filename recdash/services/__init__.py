"""What pages and the command line call: requests in, plain values out. No Streamlit here."""
