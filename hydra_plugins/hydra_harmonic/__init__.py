"""harmonic's plugins for Hydra. Hydra imports them in every application of the environment: keep them thin."""
