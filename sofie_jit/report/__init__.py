"""Tables, drawings, profiles and progress bars. Nothing here compiles or runs a network."""
