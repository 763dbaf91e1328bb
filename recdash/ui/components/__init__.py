"""Components in HTML and JavaScript for the Recommend page."""
