"""The control plane: decides what happens next; never runs git or a command itself."""
