"""`python -m harmonic`: the command `harmonic`."""

from harmonic.start import harmonic

if __name__ == "__main__":
    harmonic()
