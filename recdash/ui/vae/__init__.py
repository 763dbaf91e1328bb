"""Inside a variational autoencoder: its loss, its latent code, its annealing, and the annealing workbook."""
