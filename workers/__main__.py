"""`python -m workers agent|system|isolated`."""

from conductor_app.quick_start import main_of

if __name__ == "__main__":
    main_of("workers.program")()
