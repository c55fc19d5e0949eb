"""Tables, drawings and profiles for people."""
