"""C++ calls of operators, one file per family; lowered operators, which say by which kernel they are computed."""
