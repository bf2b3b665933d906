"""What people and programs are shown: every read model, from the database's rows alone."""
