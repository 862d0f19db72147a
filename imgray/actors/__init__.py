"""The parts of a cluster: plain classes here, made Ray actors in `imgray.actors.remote` and nowhere else."""
