"""The execution plane: claims jobs and carries them out."""
