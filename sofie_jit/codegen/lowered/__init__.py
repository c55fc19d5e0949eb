"""C++ calls of operators, one file per family; lowered operators, which determine the kernel that computes them."""
