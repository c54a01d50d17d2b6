"""How every checkpoint was made: one module per checkpoint, run by `python -m training NAME`."""
