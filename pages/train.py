"""Train: start runs, follow their curves and manage them."""

from recdash.ui import layout, train_page

layout.heading("Train", "Start runs and follow their curves. Training continues when this page is closed.")
train_page.draw()
