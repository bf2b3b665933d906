"""Pure rules: no framework, no clock, no input or output."""
