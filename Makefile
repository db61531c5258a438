# Posada's front door. `make` alone lists what there is.
