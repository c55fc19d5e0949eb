"""From a lowered RModel to C++ text."""
